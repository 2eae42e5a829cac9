"""Everything that the page of a comparison shows, its exports and its charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters_core.comparison.answers import AnswerRow, answer_rows
from adapters_core.comparison.compare import compare
from adapters_core.comparison.costs import CostRow, cost_rows
from adapters_core.comparison.norms import NormRow, norm_rows
from adapters_core.comparison.records import Candidate, Comparison, Cost
from adapters_core.ledger import people_queries
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.vault import MasterKey
from governance.policy.gates import check_gates
from governance.selectors.candidates import (
    BASELINES,
    BETWEEN,
    Asked,
    Evidence,
    adapter_candidate,
    bare_of,
    baseline,
    evidence_of,
    prompt_costs,
    whole_keys,
)
from governance.selectors.comparison_words import BARRED, METHODS, cautions, missed, quoted, recommended
from governance.services import facts

_SHORT = 12
_LETTERS = "ABCDEF"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What an adapter was made from."""

    contexts: tuple[str, ...]
    """Titles."""
    parent: str | None
    generator: str
    base_name: str
    added: int
    erased: int
    tokens: int
    chunks: int
    time: datetime
    actor: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """One candidate as the page shows it."""

    letter: str
    candidate: Candidate
    name: str
    state: str | None
    """None for a baseline."""
    lineage: Lineage | None
    barred: str
    missing: tuple[str, ...]
    """Reports that could not be read."""
    erased: bool
    taken: bool
    first_address: str
    """The same comparison with this candidate as the one that others are set against; empty for the first."""
    without_address: str
    """The same comparison without it; empty where too few would be left."""

    @property
    def label(self) -> str:
        """Letter and name."""
        return f"{self.letter} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A whole comparison."""

    key: str
    """How addresses name it: short digests and baselines."""
    columns: tuple[Column, ...]
    comparison: Comparison
    sentence: str
    cautions: tuple[str, ...]
    answers: tuple[AnswerRow, ...]
    asked: Mapping[str, Asked]
    norms: tuple[NormRow, ...]
    costs: tuple[CostRow, ...]
    prompts: Mapping[str, Cost]
    """Key of an adapter -> what its own documents cost in the prompt, where that was measured."""


def sheet(reader: Reader, master: MasterKey, keys: Sequence[str]) -> Sheet:
    """Compare.

    Raises:
        UnknownSubjectError: no adapter has such a digest.
        InputError: too few, too many, one twice, or a beginning that several share.
    """
    whole = whole_keys(reader, keys)
    found = {key: evidence_of(reader, master, key) for key in whole if key not in BASELINES}
    evidence = tuple(found.values())
    candidates = tuple(adapter_candidate(found[key]) if key in found else baseline(key, evidence) for key in whole)
    compared = compare(candidates, bare=bare_of(evidence))
    columns = _columns(candidates, found, compared.recommendation.take)
    names = {column.candidate.key: quoted(column.label) for column in columns}
    names = {key: str(METHODS[key]) for key in BASELINES} | names
    prompts = prompt_costs(evidence)
    taken = found.get(compared.recommendation.take or "")
    return Sheet(
        key=_address(candidates),
        columns=columns,
        comparison=compared,
        sentence=recommended(compared.recommendation, names),
        cautions=(*cautions(compared.recommendation, names), *_missed_gates(reader, taken)),
        answers=answer_rows(candidates),
        asked={question: asked for one in evidence for question, asked in one.asked.items()},
        norms=norm_rows(candidates),
        costs=cost_rows(candidates, prompts),
        prompts=prompts,
    )


def _missed_gates(reader: Reader, taken: Evidence | None) -> tuple[str, ...]:
    """A sentence for each approval policy in force whose gates the recommended adapter does not pass now."""
    if taken is None:
        return ()
    evidence = facts.evidence(reader, taken.known)
    said = (missed(one.subject.id, check_gates(one.data, evidence)) for one in people_queries.policies(reader))
    return tuple(filter(None, said))


def _columns(candidates: Sequence[Candidate], found: Mapping[str, Evidence], take: str | None) -> tuple[Column, ...]:
    return tuple(
        Column(
            letter=_LETTERS[place],
            candidate=one,
            name=one.name if one.kind == "adapter" else str(METHODS[one.key]),
            state=found[one.key].known.row.state if one.key in found else None,
            lineage=_lineage(found[one.key]) if one.key in found else None,
            barred=str(BARRED[one.barred]) if one.barred else "",
            missing=found[one.key].missing if one.key in found else (),
            erased=found[one.key].erased if one.key in found else False,
            taken=one.key == take,
            first_address=_address([one, *(other for other in candidates if other is not one)]) if place else "",
            without_address=_without(candidates, one),
        )
        for place, one in enumerate(candidates)
    )


def _lineage(found: Evidence) -> Lineage:
    row, data = found.known.row, found.known.generated.data
    return Lineage(
        contexts=tuple(context.title for context in found.known.contexts),
        parent=row.parent,
        generator=row.generator,
        base_name=row.base_name,
        added=len(data["added"]),
        erased=len(data["erased"]),
        tokens=row.tokens,
        chunks=row.chunks,
        time=row.time,
        actor=row.actor_name,
    )


def _address(candidates: Sequence[Candidate]) -> str:
    return BETWEEN.join(one.key[:_SHORT] if one.kind == "adapter" else one.key for one in candidates)


def _without(candidates: Sequence[Candidate], one: Candidate) -> str:
    rest = [other for other in candidates if other is not one]
    enough = len(rest) > 1 and any(other.kind == "adapter" for other in rest)
    return _address(rest) if enough else ""
