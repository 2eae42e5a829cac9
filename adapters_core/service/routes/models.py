"""What can be asked, and vLLM's calls that change it."""

from fastapi import APIRouter

from adapters_core.service.contract import LoadRequest, ModelCard, ModelList, UnloadRequest
from adapters_core.service.core_service import CoreService
from adapters_core.service.names import LoadedName
from adapters_core.service.routes.jobs import Service

router = APIRouter(tags=["models"])


@router.get("/v1/models")
def models(service: Service) -> ModelList:
    """The base and the adapters that are loaded."""
    base = service.core.base
    card = ModelCard(
        id=service.shelf.base_name,
        created=service.started_at,
        root=base.source,
        parent=None,
        digest=base.digest,
        max_model_len=service.window,
        generator=service.core.generator_digest,
    )
    return ModelList(data=(card, *(_card(service, record) for record in service.shelf.loaded())))


@router.post("/v1/load_lora_adapter")
def load(body: LoadRequest, service: Service) -> ModelCard:
    """Give an adapter a name, past the gate. The same adapter under the same name again changes nothing."""
    record, _created = service.shelf.load(body.lora_name, body.lora_path)
    return _card(service, record)


@router.post("/v1/unload_lora_adapter")
def unload(body: UnloadRequest, service: Service) -> dict[str, str]:
    """Take a name back; answers on their way come to their end."""
    service.shelf.unload(body.lora_name)
    return {"id": body.lora_name, "status": "unloaded"}


def _card(service: CoreService, record: LoadedName) -> ModelCard:
    return ModelCard(
        id=record.name,
        created=record.loaded_at,
        root=record.path,
        parent=service.shelf.base_name,
        digest=record.digest,
        max_model_len=service.window,
    )
