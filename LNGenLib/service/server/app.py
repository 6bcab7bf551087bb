"""The ASGI application: the routes, behind the guard. Needs neither torch nor a GPU."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request

from LNGenLib import __version__
from LNGenLib.segmentation.config import is_model
from LNGenLib.service.protocol.messages import VERSION, Capabilities
from LNGenLib.service.server import job_routes, upload_routes
from LNGenLib.service.server.dependencies import Service, Settings, service_of
from LNGenLib.service.server.exceptions import answer_errors, new_router
from LNGenLib.service.server.middleware import Guard

router = new_router()


@router.get("")
def capabilities(request: Request) -> Capabilities:
    """What this server is and does."""
    service, _ = service_of(request)
    settings, runner = service.settings, service.runner
    return Capabilities(
        VERSION,
        f"LNGen {__version__}",
        tuple(service.kinds),
        settings.max_upload,
        settings.max_jobs,
        runner.device,
        tuple(sorted(path.name for path in service.datasets.iterdir() if is_model(path))),
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
        docs_url=None,
        redoc_url=None,
        openapi_url=f"/v{VERSION}/openapi.json",
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    for each in (router, upload_routes.router, job_routes.router):
        app.include_router(each)
    answer_errors(app)
    app.add_middleware(Guard, tokens=settings.tokens, max_upload=settings.max_upload)
    return app
