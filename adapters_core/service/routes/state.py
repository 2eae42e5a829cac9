"""How the service is: for load balancers and for Prometheus."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from adapters_core.errors import UnavailableError
from adapters_core.service.routes.jobs import Service

router = APIRouter(tags=["state"])


@router.get("/health")
def health(service: Service) -> Response:
    """Whether the process can still do its work: 503 asks for a restart."""
    alive = service.scheduler.thread_alive
    return JSONResponse({"status": "ok" if alive else "dead"}, status_code=200 if alive else 503)


@router.get("/ready")
def ready(service: Service) -> Response:
    """Whether requests may come: 503 while it starts or drains."""
    if not service.scheduler.alive:
        raise UnavailableError("the service is draining")
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
def metrics(service: Service) -> Response:
    """Counters and timings."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
