"""What routes depend on: the service, the client that asks, a job of that client, its result."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from LNGenLib.service.protocol.messages import JobResult
from LNGenLib.service.server.job import Job
from LNGenLib.service.server.service import Service


async def get_service(request: Request) -> Service:
    """The service that the application was made for."""
    return request.app.state.service


async def get_client(request: Request) -> str:
    """The client that the middleware found by its token."""
    return request.state.client


ServiceDep = Annotated[Service, Depends(get_service)]
ClientDep = Annotated[str, Depends(get_client)]


async def get_job(service: ServiceDep, client: ClientDep, id: str) -> Job:
    """The client's job; 404 where it has none of this id."""
    job = service.store.find(client, id)
    if job is None:
        raise HTTPException(404, "no such job: it may have expired")
    return job


JobDep = Annotated[Job, Depends(get_job)]


async def get_result(job: JobDep) -> JobResult:
    """What the job left; 409 where it is not done."""
    result = job.result()
    if result is None:
        raise HTTPException(409, f"the job is {job.state.value}: there is no result")
    return result


ResultDep = Annotated[JobResult, Depends(get_result)]
