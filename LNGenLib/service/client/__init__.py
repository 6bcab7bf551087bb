"""What asks for jobs: of a server, or of a worker on this machine."""
