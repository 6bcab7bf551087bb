"""What asks for jobs: of a server, or of a worker on this machine."""

from LNGenLib.service.client.client import Client
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.client.local import LocalService

__all__ = ["Client", "LocalService", "ServiceError"]
