"""Everything one service is made of, put together once."""

from dataclasses import dataclass

from adapters_core.data.documents import Document
from adapters_core.pipeline import GenerationCore
from adapters_core.service.adapters import AdapterShelf
from adapters_core.service.answering import Answering, AnswerLimits
from adapters_core.service.contract import DocumentIn
from adapters_core.service.generation import Generations, read_documents_in
from adapters_core.service.metrics import Metrics
from adapters_core.service.names import NameRegistry
from adapters_core.service.scheduler import Scheduler, SchedulerLimits
from adapters_core.service.settings import ServiceSettings
from adapters_core.service.store import SessionStore


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreService:
    """A core and what serves it."""

    core: GenerationCore
    settings: ServiceSettings
    metrics: Metrics
    scheduler: Scheduler
    store: SessionStore
    shelf: AdapterShelf
    generations: Generations
    answering: Answering
    started_at: int
    """Unix time."""

    @property
    def window(self) -> int:
        """Tokens of a prompt and its answer together."""
        return self.core.base.max_context or self.settings.batch_slots

    def documents(self, given: tuple[DocumentIn, ...]) -> list[Document]:
        """The documents of a request. Raises as :func:`read_documents_in`."""
        return read_documents_in(given, self.settings.context_root)

    def close(self) -> bool:
        """Finish what was taken and end the model's thread; gives whether that was done in time."""
        return self.scheduler.close(timeout=self.settings.drain_seconds)


def build_service(core: GenerationCore, settings: ServiceSettings, *, now: int) -> CoreService:
    """Put a service together and start the model's thread.

    Args:
        core: the base and its generator.
        settings: see :class:`ServiceSettings`.
        now: Unix time.

    Raises:
        StorageError: the store cannot be written.
        InputError: the base has no tokenizer.
    """
    core.base.require_tokenizer()
    metrics = Metrics()
    store = SessionStore(settings.store)
    shelf = AdapterShelf(
        core.base,
        base_name=settings.model_name or core.base.source,
        names=NameRegistry(settings.store),
        store=store,
        roots=settings.adapter_roots,
        capacity=settings.resident_adapters,
        foreign=settings.foreign_adapters,
        metrics=metrics,
    )
    limits = SchedulerLimits(
        batch_rows=settings.batch_rows, batch_slots=settings.batch_slots, queue_length=settings.queue_length
    )
    scheduler = Scheduler(core.base, limits=limits, metrics=metrics)
    batch_tokens = settings.generation_batch_tokens if settings.batch_generation else None
    answer_limits = AnswerLimits(
        window=core.base.max_context or settings.batch_slots,
        answer_tokens=settings.answer_tokens,
        prompts=settings.batch_rows,
    )
    return CoreService(
        core=core,
        settings=settings,
        metrics=metrics,
        scheduler=scheduler,
        store=store,
        shelf=shelf,
        generations=Generations(core, scheduler, store, batch_tokens=batch_tokens),
        answering=Answering(core.base, scheduler, answer_limits, metrics),
        started_at=now,
    )
