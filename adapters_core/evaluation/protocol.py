"""The frozen protocol by which generators are compared: what is measured, on what, and against which goals.

Nothing of it was trained on, the draw is fixed by the seed, and every table has the control: the adapter of a wrong
document, so that style is never taken for knowledge.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Protocol, TypeVar

from adapters_core.data.documents import Document
from adapters_core.data.tokens import text_ids
from adapters_core.errors import InputError, IntegrityError
from adapters_core.evaluation.lengths import LengthPoint, measure_lengths
from adapters_core.evaluation.methods import Generated
from adapters_core.evaluation.neutral import read_neutral
from adapters_core.evaluation.perplexity import Perplexity, measure_perplexity
from adapters_core.evaluation.report import UNDEFINED, Recovery, Report
from adapters_core.evaluation.retention import Retention, measure_retention
from adapters_core.evaluation.runner import choose_methods, evaluate
from adapters_core.evaluation.stream import Stream, StreamSource, measure_stream
from adapters_core.evaluation.suites import Suite, load_suite, read_unrelated
from adapters_core.from_json import build
from adapters_core.modeling.generator import Generator

PARTS = ("fictional", "squad", "conflicts", "retention", "perplexity", "stream", "lengths")
QUESTIONS = 300
"""Asked of each suite, at least (whole documents are drawn)."""
MOST_CONTEXT_TOKENS = 512
"""Longest paragraph of the SQuAD suites."""
STREAM_FACTS = 3
STREAM_CHECKPOINTS = (0, 1, 10, 100)
STREAM_CHARACTERS = 800
RETENTION_DOCUMENTS = 8
PERPLEXITY_DOCUMENTS = 60

S = TypeVar("S", bound=Generated)


class ProtocolCore(StreamSource[S], Protocol[S]):
    """What the protocol asks of a core: to generate, extend and erase; ``S`` is its session."""

    @property
    def generator(self) -> Generator: ...  # noqa: D102
    @property
    def generator_digest(self) -> str: ...  # noqa: D102


Tell = Callable[[str, int, int], None]
"""Takes the part, and how much of it is done."""


@dataclass(frozen=True, kw_only=True)
class ProtocolSettings:
    """What is measured, on which files."""

    squad: Path | None = None
    """SQuAD dev in its own format."""
    conflicts: Path | None = None
    """Questions whose contexts hold substituted answers."""
    texts: Sequence[Document] = ()
    """Held-out texts for perplexity and the stream, none of them trained on."""
    parts: Sequence[str] = PARTS
    methods: Sequence[str] = ("none", "prompt", "adapter", "wrong")
    questions: int = QUESTIONS
    length_questions: int = 24
    seed: int = 0
    baselines: Sequence[Report] = ()
    """Earlier reports whose rows of methods that know no generator are taken over."""
    fictional: Suite | None = None
    """In place of the repository's own suite."""

    def __post_init__(self) -> None:
        """Check that every part has what it needs.

        Raises:
            InputError: an unknown part, or a part without its file.
        """
        if unknown := sorted(set(self.parts) - set(PARTS)):
            raise InputError(f"parts must be out of {', '.join(PARTS)}, got {', '.join(unknown)}")
        needs = {"squad": self.squad, "conflicts": self.conflicts, "perplexity": self.texts, "stream": self.texts}
        if missing := [name for name in self.parts if name in needs and not needs[name]]:
            raise InputError(f"give the files that these parts read, or leave them out: {', '.join(missing)}")
        if missing := [name for name in ("none", "prompt", "adapter") if name not in self.methods]:
            raise InputError(f"methods must hold none, prompt and adapter; missing: {', '.join(missing)}")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One thing that a good generator shows."""

    name: str
    wanted: str
    value: float
    met: bool


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that one run of the protocol measured; a part that was left out is None or empty."""

    reports: Mapping[str, Report]
    """By suite."""
    retention: Retention | None
    perplexity: Perplexity | None
    streams: tuple[Stream, ...]
    lengths: tuple[LengthPoint, ...]

    def to_json(self) -> dict[str, object]:
        """As plain JSON data."""
        reports = {name: report.to_json() for name, report in self.reports.items()}
        return {**asdict(replace(self, reports={})), "reports": reports}

    @classmethod
    def read(cls, path: Path) -> "Findings":
        """From the file that :func:`write` of the command line made.

        Raises:
            InputError: it cannot be read as such.
        """
        try:
            data = json.loads(path.read_bytes())
            reports = {name: Report.from_json(report) for name, report in data.pop("reports").items()}
            return replace(build(cls, {**data, "reports": {}}), reports=reports)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, IntegrityError) as error:
            raise InputError(f"{path} must be a report.json of the protocol command: {error}") from error

    def joined(self, others: "Sequence[Findings]") -> "Findings":
        """With the parts that only other runs measured.

        Raises:
            InputError: one of them judged another generator.
        """
        generators = {report.provenance.generator for each in (self, *others) for report in each.reports.values()}
        if len(generators) > 1:
            raise InputError(f"runs that are joined must be of one generator, got {sorted(d[:16] for d in generators)}")
        whole = self
        for other in others:
            whole = replace(
                whole,
                reports={**other.reports, **whole.reports},
                retention=whole.retention or other.retention,
                perplexity=whole.perplexity or other.perplexity,
                streams=whole.streams or other.streams,
                lengths=whole.lengths or other.lengths,
            )
        return replace(whole, reports={name: whole.reports[name] for name in PARTS if name in whole.reports})

    def goals(self) -> tuple[Goal, ...]:
        """What was aimed at, beside what was measured."""
        goals: list[Goal] = []
        for name, least in (("fictional", 0.6), ("squad", 0.5)):
            if name in self.reports:
                value = _value(self.reports[name].summary("adapter").specific_recovery)
                goals.append(_at_least(f"specific recovery, {name}", least, value))
        if self.perplexity:
            for task, most in (("reconstruction", 0.5), ("completion", 1.0)):
                adapted, bare = (self.perplexity.summary(task, method).perplexity for method in ("adapter", "none"))
                goals.append(_at_most(f"{task} perplexity, adapter / base", most, adapted / bare))
        if self.retention:
            adapter = self.retention.summary("adapter")
            goals.append(_at_most("KL to the base on neutral text, nats per token", 0.05, adapter.kl.value))
            worse = adapter.question_nll_change.value / self.retention.base_question_nll
            goals.append(_at_most("unrelated questions, relative change of NLL", 0.05, worse))
        return tuple(goals)


def run_protocol(
    core: ProtocolCore[S], settings: ProtocolSettings, *, tell: Tell = lambda _part, _done, _total: None
) -> Findings:
    """Measure every part that was asked for.

    Raises:
        InputError: a file is not in its format, or too small.
    """
    reports = {name: _questions(core, name, settings, tell) for name in PARTS[:3] if name in settings.parts}
    fictional = settings.fictional or load_suite("fictional")
    retention = perplexity = None
    if "retention" in settings.parts:
        adapting = choose_methods(core, fictional, ("adapter", "wrong"), seed=settings.seed)
        retention = measure_retention(
            core.base,
            adapting,
            fictional.documents[:RETENTION_DOCUMENTS],
            neutral=read_neutral(),
            questions=read_unrelated(),
            seed=settings.seed,
            progress=lambda done, total, _what: tell("retention", done, total),
        )
    if "perplexity" in settings.parts:
        perplexity = measure_perplexity(
            core,
            settings.texts[:PERPLEXITY_DOCUMENTS],
            seed=settings.seed,
            progress=lambda done, total, _what: tell("perplexity", done, total),
        )
    return Findings(
        reports=reports,
        retention=retention,
        perplexity=perplexity,
        streams=_streams(core, fictional, settings, tell) if "stream" in settings.parts else (),
        lengths=measure_lengths(
            core,
            fictional,
            questions=settings.length_questions,
            seed=settings.seed,
            progress=lambda done, total, _what: tell("lengths", done, total),
        )
        if "lengths" in settings.parts
        else (),
    )


def mean_stream(streams: Sequence[Stream]) -> Stream:
    """The average over facts that were followed along the same stream.

    Raises:
        InputError: none were.
    """
    if not streams:
        raise InputError("the average of streams needs at least one, got none")
    points = tuple(
        replace(
            column[0],
            nll=fmean(point.nll for point in column),
            norm=fmean(point.norm for point in column),
            cosine=None if column[0].cosine is None else fmean(point.cosine or 0.0 for point in column),
        )
        for column in zip(*(stream.points for stream in streams), strict=True)
    )
    return Stream(
        document=f"{len(streams)} documents",
        questions=sum(stream.questions for stream in streams),
        fact_chunks=sum(stream.fact_chunks for stream in streams),
        base_nll=fmean(stream.base_nll for stream in streams),
        points=points,
        erased_nll=fmean(stream.erased_nll for stream in streams),
        never_nll=fmean(stream.never_nll for stream in streams),
        erased_exactly=all(stream.erased_exactly for stream in streams),
    )


def _questions(core: ProtocolCore[S], name: str, settings: ProtocolSettings, tell: Tell) -> Report:
    return evaluate(
        core,
        _suite(core, name, settings),
        settings.methods,
        limit=settings.questions,
        seed=settings.seed,
        baselines=settings.baselines,
        progress=lambda done, total, _what: tell(name, done, total),
    )


def _suite(core: ProtocolCore[S], name: str, settings: ProtocolSettings) -> Suite:
    if name == "fictional":
        return settings.fictional or load_suite(name)
    tokenizer = core.base.require_tokenizer()
    return load_suite(
        f"{name}:{settings.squad if name == 'squad' else settings.conflicts}",
        max_context_tokens=MOST_CONTEXT_TOKENS,
        count_tokens=lambda text: len(text_ids(tokenizer, text)),
    )


def _streams(core: ProtocolCore[S], suite: Suite, settings: ProtocolSettings, tell: Tell) -> tuple[Stream, ...]:
    further = further_chunks(settings.texts, max(STREAM_CHECKPOINTS))
    checkpoints = tuple(point for point in STREAM_CHECKPOINTS if point <= len(further))
    facts = suite.documents[:STREAM_FACTS]
    streams = []
    for index, fact in enumerate(facts):
        streams.append(measure_stream(core, fact, further, checkpoints=checkpoints))
        tell("stream", index + 1, len(facts))
    return tuple(streams)


def further_chunks(texts: Sequence[Document], count: int) -> tuple[Document, ...]:
    """At most so many pieces of 400 to 800 characters: the first of every text, then the second of every, and so on."""
    longest = max((len(document.text) for document in texts), default=0)
    pieces = (
        Document(name=f"{document.name} {start}", text=piece)
        for start in range(0, longest, STREAM_CHARACTERS)
        for document in texts
        if len((piece := document.text[start : start + STREAM_CHARACTERS]).strip()) >= STREAM_CHARACTERS // 2
    )
    return tuple(itertools.islice(pieces, count))


def _value(share: Recovery) -> float:
    return float("nan") if share is None or share == UNDEFINED else share.value


def _at_least(name: str, least: float, value: float) -> Goal:
    return Goal(name=name, wanted=f"at least {least}", value=value, met=value >= least)


def _at_most(name: str, most: float, value: float) -> Goal:
    return Goal(name=name, wanted=f"at most {most}", value=value, met=value <= most)
