"""Candidates of a comparison, from the ledger, the stored reports and the vault.

An address names an adapter by its digest or the beginning of it, and a baseline by its method: ``none``, ``prompt``,
``wrong``. A baseline is what the evaluations of the compared adapters measured besides the adapter itself.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from adapters_core.comparison.compare import FEWEST, MOST
from adapters_core.comparison.records import METRICS, Answered, Candidate, Cost, Stated
from adapters_core.comparison.reports import Findings, read_findings
from adapters_core.errors import ErasedError, InputError, IntegrityError, StorageError, UnknownSubjectError
from adapters_core.ledger import adapter_queries, vault
from adapters_core.ledger.adapter_queries import AdapterFilter
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.vault import MasterKey
from governance import artifacts
from governance.services import facts

BASELINES = ("none", "prompt", "wrong")
BARE = "none"
BETWEEN = "..."
SHORTEST = 8
_DIGEST = 64
_BARRED = frozenset({"retired", "rejected"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question as it was put, with the answers that count as right."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An adapter with what was found of it."""

    known: facts.Dossier
    answers: tuple[Answered, ...]
    """Of the adapter and of the baselines; the latest evaluation of each question counts."""
    answer_seconds: Mapping[str, float]
    stated: Mapping[tuple[str, str], Stated]
    """(method, metric) -> figure of the ledger, on questions of the contexts."""
    asked: Mapping[str, Asked]
    """Question id -> what was asked, as far as it can still be read."""
    missing: tuple[str, ...]
    """Digests of reports that are not here, or were changed."""
    erased: bool
    """Whether a context was erased: its questions and answers cannot be read any more."""


def parse_keys(text: str) -> tuple[str, ...]:
    """The candidates that an address names.

    Raises:
        InputError: too few, too many, or one twice.
    """
    keys = tuple(part.strip().lower() for part in text.split(BETWEEN) if part.strip())
    if not FEWEST <= len(keys) <= MOST:
        raise InputError(
            _("A comparison takes %(fewest)s to %(most)s candidates; this one names %(count)s.")
            % {"fewest": FEWEST, "most": MOST, "count": len(keys)}
        )
    if len(set(keys)) < len(keys):
        raise InputError(_("A comparison takes each candidate once; this one names a candidate twice."))
    if not set(keys) - set(BASELINES):
        raise InputError(_("A comparison needs at least one adapter: baselines alone have no evaluation."))
    return keys


def whole_keys(reader: Reader, keys: Sequence[str]) -> tuple[str, ...]:
    """Beginnings of digests made whole.

    Raises:
        UnknownSubjectError: no adapter begins so.
        InputError: several do, or two name the same one.
    """
    found = tuple(key if key in BASELINES else _whole(reader, key) for key in keys)
    if len(set(found)) < len(found):
        raise InputError(_("A comparison takes each candidate once; this one names a candidate twice."))
    return found


def evidence_of(reader: Reader, master: MasterKey, digest: str) -> Evidence:
    """All that was measured of an adapter.

    Raises:
        UnknownSubjectError: there is none.
    """
    known = facts.dossier(reader, digest)
    answers: dict[tuple[Any, str], Answered] = {}
    seconds: dict[str, float] = {}
    stated: dict[tuple[str, str], Stated] = {}
    asked: dict[str, Asked] = {}
    missing: list[str] = []
    for evaluation in known.evaluations:
        texts = _texts(reader, master, known, evaluation, asked)
        stated |= _stated(evaluation)
        try:
            found = read_findings(artifacts.read(evaluation.data["report_digest"]), texts)
        except (StorageError, IntegrityError):
            missing.append(evaluation.data["report_digest"])
            continue
        answers |= {(one.question, one.method): one for one in found.answers}
        seconds |= _timed(found)
    return Evidence(
        known=known,
        answers=tuple(answers.values()),
        answer_seconds=seconds,
        stated=stated,
        asked=asked,
        missing=tuple(missing),
        erased=any(context.state == "erased" for context in known.contexts),
    )


def adapter_candidate(found: Evidence) -> Candidate:
    """The adapter itself."""
    row, generated = found.known.row, found.known.generated.data
    return Candidate(
        key=row.digest,
        kind="adapter",
        name=row.name,
        base=row.base,
        **_measured(found, "adapter"),
        recovery=_latest(found, "recovery"),
        retention=_latest(found, "retention"),
        norms={site: float(norm["frobenius"]) for site, norm in generated["norms"].items()},
        norm_total=row.norm_total,
        cost=Cost(
            adapt_seconds=generated["cost"].get("seconds"),
            query_seconds=found.answer_seconds.get("adapter"),
            carried_tokens=0,
            kept_bytes=row.bytes,
        ),
        barred="erased" if found.erased else row.state if row.state in _BARRED and not row.approvals else None,
    )


def baseline(method: str, evidence: Sequence[Evidence]) -> Candidate:
    """What the evaluations measured under a method. Another base's figures, and those on another control, stay out."""
    first = evidence[0]
    same = [one for one in evidence if one.known.row.base == first.known.row.base]
    taken = same if method != "wrong" else [next((one for one in same if _has(one, method)), first)]
    merged: dict[Any, Answered] = {}
    for one in reversed(taken):  # the first adapter's evaluation counts where several asked the same
        merged |= {answer.question: answer for answer in one.answers if answer.method == method}
    measured = _measured(first, method) | {"answers": tuple(merged.values())}
    return Candidate(
        key=method,
        kind="baseline",
        name=method,
        base=first.known.row.base,
        **measured,
        norms={},
        cost=_baseline_cost(method, first),
    )


def prompt_costs(evidence: Sequence[Evidence]) -> dict[str, Cost]:
    """Digest of an adapter -> what its own contexts cost in the prompt, where that was timed.

    Of adapters of one base and the same contexts the first one's evaluation counts for all: it is the same prompt.
    """
    timed: dict[tuple[str, frozenset[str]], Cost] = {}
    for one in evidence:
        if "prompt" in one.answer_seconds:
            timed.setdefault(_prompt_of(one), _baseline_cost("prompt", one))
    return {one.known.row.digest: timed[_prompt_of(one)] for one in evidence if _prompt_of(one) in timed}


def _prompt_of(found: Evidence) -> tuple[str, frozenset[str]]:
    return found.known.row.base, frozenset(context.context for context in found.known.contexts)


def _baseline_cost(method: str, found: Evidence) -> Cost:
    seconds = found.answer_seconds.get(method)
    if method == "prompt":
        return Cost(adapt_seconds=0.0, query_seconds=seconds, carried_tokens=found.known.row.tokens, kept_bytes=None)
    if method == BARE:
        return Cost(adapt_seconds=0.0, query_seconds=seconds, carried_tokens=0, kept_bytes=0)
    return Cost(query_seconds=seconds, carried_tokens=0)


def _whole(reader: Reader, key: str) -> str:
    unknown = _("No adapter has a digest that begins with %(key)s.") % {"key": key[:_DIGEST]}
    if len(key) == _DIGEST:
        try:
            return adapter_queries.adapter(reader, key).digest
        except UnknownSubjectError as error:
            raise UnknownSubjectError(unknown) from error
    if len(key) < SHORTEST or set(key) - set("0123456789abcdef"):
        raise UnknownSubjectError(unknown)
    rows = adapter_queries.find_adapters(reader, AdapterFilter(text=key), limit=200).rows
    found = [row.digest for row in rows if row.digest.startswith(key)]
    if not found:
        raise UnknownSubjectError(unknown)
    if len(found) > 1:
        raise InputError(_("Several adapters have a digest that begins with %(key)s: give more of it.") % {"key": key})
    return found[0]


def _measured(found: Evidence, method: str) -> dict[str, Any]:
    return {
        "answers": tuple(one for one in found.answers if one.method == method),
        "stated": {("context", metric): one for (name, metric), one in found.stated.items() if name == method},
    }


def _has(found: Evidence, method: str) -> bool:
    return any(one.method == method for one in found.answers)


def _timed(found: Findings) -> dict[str, float]:
    return {method: seconds for method, seconds in found.answer_seconds.items() if seconds > 0}


def _stated(evaluation: Entry) -> dict[tuple[str, str], Stated]:
    figures = (
        (method, metric, one) for method, many in evaluation.data["scores"].items() for metric, one in many.items()
    )
    known = ((method, metric, figure_of(one)) for method, metric, one in figures if metric in METRICS)
    return {(method, metric): one for method, metric, one in known if one is not None}


def figure_of(stated: object) -> Stated | None:
    """A figure as entries hold it: a number, or with its interval; None where it was not measured."""
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        return Stated(value=float(stated))
    if isinstance(stated, dict) and isinstance(stated.get("value"), int | float):
        return Stated(value=stated["value"], low=stated.get("low"), high=stated.get("high"), count=stated.get("n"))
    return None


def _latest(found: Evidence, name: str) -> Stated | None:
    figures = (figure_of(evaluation.data.get(name)) for evaluation in reversed(found.known.evaluations))
    return next((one for one in figures if one is not None), None)


def _texts(
    reader: Reader, master: MasterKey, known: facts.Dossier, evaluation: Entry, asked: dict[str, Asked]
) -> dict[tuple[str, str], str]:
    """What was answered, from the vault; what was asked is added to ``asked``."""
    said: dict[tuple[str, str], str] = {}
    name = vault.evaluation_text(evaluation.data["evaluation"])
    for context in known.contexts:
        for row in _opened(reader, master, context.context, name) or ():
            asked[str(row["id"])] = Asked(text=row["question"], answers=tuple(map(str, row["answers"])))
            said |= {(str(row["id"]), method): text for method, text in row["said"].items()}
    return said | _said_by_control(reader, master, evaluation)


def _said_by_control(reader: Reader, master: MasterKey, evaluation: Entry) -> dict[tuple[str, str], str]:
    """What the adapter of another document answered, until that document is erased."""
    control, name = evaluation.data.get("wrong"), vault.control_text(evaluation.data["evaluation"])
    contexts = adapter_queries.contexts_of_adapter(reader, control) if control else ()
    found = [_opened(reader, master, context, name) or {} for context in contexts]
    return {(question, "wrong"): text for answers in found for question, text in answers.items()}


def _opened(reader: Reader, master: MasterKey, context: str, name: str) -> Any:  # noqa: ANN401  # JSON
    """A sealed text; None where it was never sealed or was erased."""
    if not vault.has_text(reader, context, name):
        return None
    try:
        return json.loads(vault.open_text(reader, master, context, name))
    except ErasedError:
        return None


def bare_of(evidence: Sequence[Evidence]) -> Candidate | None:
    """The base without the context, where it was asked anything."""
    bare = baseline(BARE, evidence)
    return bare if bare.answers else None
