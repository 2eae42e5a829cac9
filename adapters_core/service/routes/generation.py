"""Routes that make adapters, and those that show what was made."""

import time
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from adapters_core.artifact import MANIFEST, Session
from adapters_core.errors import MismatchError
from adapters_core.manifest import Manifest
from adapters_core.service.contract import (
    AdapterAnswer,
    ChunkOut,
    EraseRequest,
    ExtendRequest,
    GenerateRequest,
)
from adapters_core.service.core_service import CoreService
from adapters_core.service.routes.jobs import Service, answer_job
from adapters_core.service.store import SERVED

router = APIRouter(tags=["adapters"])
Kind = Literal["generate", "extend", "erase"]


@router.post("/v1/generate", response_model=AdapterAnswer)
async def generate(body: GenerateRequest, request: Request, service: Service) -> Response:
    """Make an adapter of documents."""
    key = bytes.fromhex(body.key) if body.key else None
    return await answer_job(
        request,
        lambda tell: service.generations.generate(
            service.documents(body.documents), key=key, decay=body.decay, progress=tell
        ),
        _keep(service, "generate"),
    )


@router.post("/v1/extend", response_model=AdapterAnswer)
async def extend(body: ExtendRequest, request: Request, service: Service) -> Response:
    """Make an adapter that continues another with more documents."""
    return await answer_job(
        request,
        lambda tell: service.generations.extend(body.adapter, service.documents(body.documents), progress=tell),
        _keep(service, "extend"),
    )


@router.post("/v1/erase", response_model=AdapterAnswer)
async def erase(body: EraseRequest, request: Request, service: Service) -> Response:
    """Make an adapter that never saw some of another's chunks."""
    return await answer_job(
        request,
        lambda tell: service.generations.erase(
            body.adapter, chunks=body.chunks, documents=body.documents, progress=tell
        ),
        _keep(service, "erase"),
    )


@router.get("/v1/adapters/{digest}")
def show(digest: str, service: Service) -> Response:
    """The manifest of an adapter, canonical JSON byte for byte."""
    data = service.store.file(digest, MANIFEST).read_bytes()
    return Response(data, media_type="application/json", headers=_forever(digest))


@router.get("/v1/adapters/{digest}/chunks", response_model=tuple[ChunkOut, ...])
def chunks(digest: str, service: Service) -> tuple[ChunkOut, ...]:
    """Where the chunks of an adapter lie in their documents, by commitment."""
    return _chunks(service.store.read(digest))


@router.get("/v1/adapters/{digest}/files/{name}")
def file(digest: str, name: str, service: Service) -> Response:
    """One of the files that travel to engines and registries."""
    path = service.store.file(digest, name)
    kind = "application/json" if path.suffix == ".json" else "application/octet-stream"
    return FileResponse(path, media_type=kind, headers=_forever(f"{digest}-{name}"))


@router.delete("/v1/adapters/{digest}", status_code=204)
def delete(digest: str, service: Service) -> Response:
    """Remove an adapter with its states and key. One that is loaded is unloaded first."""
    if names := [record.name for record in service.shelf.loaded() if record.digest == digest]:
        raise MismatchError(f"adapter {digest[:16]} is loaded as {', '.join(names)}: unload it first")
    service.store.delete(digest)
    return Response(status_code=204)


def _keep(service: CoreService, kind: Kind) -> Callable[[Session], Awaitable[AdapterAnswer]]:
    started = time.perf_counter()

    async def keep(session: Session) -> AdapterAnswer:
        answer = await run_in_threadpool(_kept, service, session)
        service.metrics.generations.labels(kind, str(answer.batched).lower()).inc()
        service.metrics.generation_seconds.labels(kind).observe(time.perf_counter() - started)
        added = session.adapter.manifest.identity.added
        service.metrics.context_tokens.inc(sum(chunk.tokens for chunk in added))
        return answer

    return keep


def _kept(service: CoreService, session: Session) -> AdapterAnswer:
    digest = session.adapter.digest
    created = service.store.write(session)
    # of two runs that gave the same adapter the first is kept, with what was observed of it
    manifest = session.adapter.manifest if created else Manifest.read(service.store.file(digest, MANIFEST))
    return AdapterAnswer(
        digest=digest,
        parent=manifest.identity.parent,
        created=created,
        batched=manifest.observation.batched,
        tokens=manifest.identity.token_count,
        chunks=_chunks(session),
        manifest=manifest.to_json(),
        files={name: f"/v1/adapters/{digest}/files/{name}" for name in sorted(SERVED)},
    )


def _chunks(session: Session) -> tuple[ChunkOut, ...]:
    places = [session.places[entry.commitment] for entry in session.state.entries]
    return tuple(ChunkOut.model_validate(place, from_attributes=True) for place in places)


def _forever(tag: str) -> dict[str, str]:
    """Content that its address fixes."""
    return {"etag": f'"{tag}"', "cache-control": "private, max-age=31536000, immutable"}
