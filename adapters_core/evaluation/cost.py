"""What it costs to give a model a context, and from how many questions on an adapter is cheaper than a prompt.

    prompt   reads the context with every question
    cached   reads it once and keeps its keys and values
    adapter  reads it once and keeps low-rank pairs

A query here is a question up to the first token of its answer. Break-even is the smallest n with

    adapt + n query  <  n query of the prompt        None where one query costs as much as the prompt's or more
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean

from adapters_core.data.tokens import text_ids
from adapters_core.errors import InputError
from adapters_core.evaluation.break_even import CostLine, crossing_point
from adapters_core.evaluation.cost_samples import METHODS, Sample, measure_document
from adapters_core.evaluation.methods import AdapterSource
from adapters_core.evaluation.question_files import SuiteDocument
from adapters_core.modeling.base_model import BaseModel

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """One method's cost, means over the documents."""

    method: str
    """none, prompt, cached or adapter."""
    adapt_seconds: float
    """To take a context in."""
    adapt_flops: float
    query_seconds: float
    """A question to the first token of its answer, batch 1."""
    query_flops: float
    query_tokens: float
    """Tokens run for a question."""
    kept_bytes: float
    """To keep for later questions."""
    break_even_seconds: int | None
    """Questions from which on this method takes less time than the prompt; None: never."""
    break_even_flops: int | None
    """The same in floating-point operations."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Costs of all methods on the same documents and questions."""

    documents: int
    context_tokens: float
    """Mean over the documents."""
    repeats: int
    rows: tuple[CostRow, ...]

    def row(self, method: str) -> CostRow:
        """The row of a method.

        Raises:
            InputError: it was not measured.
        """
        for row in self.rows:
            if row.method == method:
                return row
        raise InputError(f"the cost of {method!r} was not measured")


def measure_cost(
    core: AdapterSource,
    documents: Sequence[SuiteDocument],
    *,
    repeats: int = 3,
    progress: Progress = lambda _done, _total, _what: None,
) -> Cost:
    """Measure adapting to each document and asking its first question, medians over repeats.

    Raises:
        InputError: no documents, or repeats below 1.
    """
    if not documents or repeats < 1:
        raise InputError(f"cost needs documents and at least 1 repeat, got {len(documents)} and {repeats}")
    measure_document(core, documents[0], 1)  # the first run pays for what is set up once
    samples: list[Sample] = []
    for done, document in enumerate(documents, start=1):
        samples += measure_document(core, document, repeats)
        progress(done, len(documents), document.name)
    return Cost(
        documents=len(documents),
        context_tokens=fmean(_context_tokens(core.base, document) for document in documents),
        repeats=repeats,
        rows=_rows(samples),
    )


def _context_tokens(base: BaseModel, document: SuiteDocument) -> int:
    return len(text_ids(base.require_tokenizer(), document.text))


def _rows(samples: Sequence[Sample]) -> tuple[CostRow, ...]:
    means = {method: _mean([s for s in samples if s.method == method]) for method in METHODS}
    rows = []
    for method, mean in means.items():
        evens: dict[str, int | None] = {"seconds": None, "flops": None}
        if method in ("cached", "adapter"):
            evens = {unit: crossing_point(_line(mean, unit), _line(means["prompt"], unit)) for unit in evens}
        row = CostRow(**asdict(mean), break_even_seconds=evens["seconds"], break_even_flops=evens["flops"])
        rows.append(row)
    return tuple(rows)


def _line(sample: Sample, unit: str) -> CostLine:
    once, per_query = getattr(sample, f"adapt_{unit}"), getattr(sample, f"query_{unit}")
    return CostLine(method=sample.method, once=once, per_query=per_query)


def _mean(samples: Sequence[Sample]) -> Sample:
    names = [field.name for field in fields(Sample) if field.name != "method"]
    means = {name: fmean(getattr(sample, name) for sample in samples) for name in names}
    return Sample(method=samples[0].method, **means)
