"""Ways to give a model a context, all under one protocol: take a document in, then answer questions about it.

none      nothing is given
prompt    the context stands before the question
adapter   the adapter generated from the context
wrong     the control: the adapter generated from another document of the suite
lora, full: see :mod:`adapters_core.evaluation.finetuning`
"""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from adapters_core.data.batching import Ids
from adapters_core.data.documents import Document
from adapters_core.data.prompts import answer_ids, prompted_ids, question_ids
from adapters_core.errors import ContextError, InputError
from adapters_core.evaluation.question_files import Question, SuiteDocument
from adapters_core.evaluation.scoring import MAX_NEW_TOKENS, Query, answer_nll, greedy_answers
from adapters_core.modeling.adapter import Adapter
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import Pairs

CACHE_BYTES = 1 << 30
"""Generated adapters kept in memory, so that a document's adapter serves as another one's control too."""


class Generated(Protocol):
    """What a core gives back: a session, of which evaluation needs the adapter."""

    @property
    def adapter(self) -> Adapter: ...  # noqa: D102


class AdapterSource(Protocol):
    """The part of the generation core that evaluation uses."""

    @property
    def base(self) -> BaseModel: ...  # noqa: D102
    @property
    def generator(self) -> Generator: ...  # noqa: D102
    @property
    def generator_digest(self) -> str: ...  # noqa: D102
    def generate(self, documents: Sequence[Document], *, key: bytes | None = None) -> Generated: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapted:
    """A context as a method took it in; valid while the method's context manager is open."""

    base: BaseModel
    """The model that answers."""
    pairs: Pairs
    """Applied to it; empty: none."""
    context: str | None
    """Text that stands before every question; None: none."""
    seconds: float
    """Time to take the context in."""
    nbytes: int
    """What has to be kept for later questions, besides the base and the text."""
    adapter: Adapter | None = None
    """The generated adapter, with its manifest; None: not generated."""

    def prompt(self, question: Question) -> Ids:
        """Token ids up to where the answer begins.

        Raises:
            ContextError: they do not fit the base's window.
        """
        tokenizer = self.base.require_tokenizer()
        if self.context is None:
            return question_ids(tokenizer, question.question)
        ids = prompted_ids(tokenizer, self.context, question.question)
        limit = self.base.max_context
        if limit is not None and len(ids) + MAX_NEW_TOKENS > limit:
            raise ContextError(
                f"a context in the prompt must leave room within {limit} tokens, question {question.id!r} has "
                f"{len(ids)} with it: leave the method out, or evaluate shorter documents"
            )
        return ids

    def query(self, question: Question) -> Query:
        """The prompt and the first gold answer, without an end token."""
        gold = answer_ids(self.base.require_tokenizer(), question.answers[0], end=False)
        return Query(prompt=self.prompt(question), answer=gold)

    def score(self, questions: Sequence[Question]) -> tuple[float, ...]:
        """Gold-answer NLL of each question, nats per token."""
        return answer_nll(self.base, [self.query(question) for question in questions], adapters=self.pairs)

    def answer(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """The greedy answer to each question."""
        return greedy_answers(self.base, [self.prompt(question) for question in questions], adapters=self.pairs)


class Method(Protocol):
    """A way to give a model a context."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def adapt(self, document: SuiteDocument) -> AbstractContextManager[Adapted]:
        """Take a document in; leaving the context manager forgets it, and the base is bit for bit itself."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class NoContext:
    """The bare base."""

    base: BaseModel
    name: str = "none"

    @contextmanager
    def adapt(self, _document: SuiteDocument) -> Iterator[Adapted]:
        """Take nothing in."""
        yield Adapted(base=self.base, pairs={}, context=None, seconds=0.0, nbytes=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class InPrompt:
    """The document's text before every question."""

    base: BaseModel
    name: str = "prompt"

    @contextmanager
    def adapt(self, document: SuiteDocument) -> Iterator[Adapted]:
        """Keep the text; each question pays for reading it."""
        yield Adapted(base=self.base, pairs={}, context=document.text, seconds=0.0, nbytes=0)


@dataclass(kw_only=True, eq=False)
class AdapterCache:
    """Adapters of documents by name, generated once; the ones used last are kept."""

    source: AdapterSource
    key: bytes
    """Of the chunk commitments: equal keys give equal digests."""
    limit_bytes: int = CACHE_BYTES
    _kept: OrderedDict[str, tuple[Adapter, float]] = field(default_factory=OrderedDict, init=False)

    def get(self, document: SuiteDocument) -> tuple[Adapter, float]:
        """A document's adapter and the seconds its generation took."""
        if document.name in self._kept:
            self._kept.move_to_end(document.name)
            return self._kept[document.name]
        started = time.perf_counter()
        session = self.source.generate([Document(name=document.name, text=document.text)], key=self.key)
        entry = (session.adapter, time.perf_counter() - started)
        self._kept[document.name] = entry
        while len(self._kept) > 1 and sum(adapter.nbytes for adapter, _ in self._kept.values()) > self.limit_bytes:
            self._kept.popitem(last=False)
        return entry


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedAdapter:
    """The adapter generated from the document, or, as a control, from the one that stands in for it."""

    cache: AdapterCache
    name: str = "adapter"
    stand_ins: Mapping[str, SuiteDocument] | None = None
    """By document name, whose adapter is used instead; None: the document's own."""

    @contextmanager
    def adapt(self, document: SuiteDocument) -> Iterator[Adapted]:
        """Generate the adapter, or take it from the cache."""
        chosen = document if self.stand_ins is None else self.stand_ins[document.name]
        adapter, seconds = self.cache.get(chosen)
        yield Adapted(
            base=self.cache.source.base,
            pairs=adapter.pairs,
            context=None,
            seconds=seconds,
            nbytes=adapter.nbytes,
            adapter=adapter,
        )


def derangement(documents: Sequence[SuiteDocument]) -> dict[str, SuiteDocument]:
    """For every document another one: that half the suite away, since neighbours are often about the same thing.

    Raises:
        InputError: a single document has no other.
    """
    count = len(documents)
    if count < 2:  # noqa: PLR2004  # one document and another
        raise InputError(
            f"the control needs the adapter of a wrong document: give a suite of at least 2 documents, got {count}"
        )
    return {document.name: documents[(i + count // 2) % count] for i, document in enumerate(documents)}
