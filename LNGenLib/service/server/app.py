"""The ASGI application: the routes, behind the middleware. Needs neither torch nor a GPU."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI

from LNGenLib import __version__
from LNGenLib.segmentation.config import is_model
from LNGenLib.service.protocol.messages import VERSION, Capabilities
from LNGenLib.service.server import job_routes, upload_routes
from LNGenLib.service.server.dependencies import ServiceDep
from LNGenLib.service.server.exceptions import HANDLERS, RESPONSES
from LNGenLib.service.server.middleware import AccessMiddleware
from LNGenLib.service.server.service import Service, Settings

router = APIRouter(prefix=f"/v{VERSION}")


@router.get("")
def capabilities(service: ServiceDep) -> Capabilities:
    """What this server is and does."""
    return Capabilities(
        protocol=VERSION,
        software=f"LNGen {__version__}",
        kinds=tuple(service.kinds),
        max_upload=service.settings.max_upload,
        max_jobs=service.settings.max_jobs,
        device=service.runner.device,
        models=tuple(sorted(path.name for path in service.datasets.iterdir() if is_model(path))),
    )


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application; it owns `settings.data` while it runs."""
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(part()) for part in (service.runner.run, service.expire)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(
        title="LNGen",
        version=__version__,
        lifespan=lifespan,
        responses=RESPONSES,
        exception_handlers=HANDLERS,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"/v{VERSION}/openapi.json",
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    for each in (router, upload_routes.router, job_routes.router):
        app.include_router(each)
    app.add_middleware(AccessMiddleware, tokens=settings.tokens, max_upload=settings.max_upload)
    return app
