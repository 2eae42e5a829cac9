"""V0, the slow way: something is wrong in the chain, and this names what. Imports no database.

Each body states its own place and the hash of the one before. So a row whose body states another place has been moved,
a place that no body states has been emptied, and a place that two state has got one too many; and where the next entry
names another hash than an entry has, that entry is no longer what it was.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from adapters_core.ledger.chain import GENESIS, leaf_hash
from adapters_core.ledger.verification.findings import Code, Finding, entries_named, spans
from adapters_core.ledger.verification.walk import StoredEntry, parsed


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What a row holds, and what its body states."""

    place: int
    claim: int
    """The place that the body states; its own where the body cannot be read or was edited."""
    hash: str
    """Of the body as it is now."""
    stored_hash: str
    stored_prev: str
    stated_prev: str | None


def diagnose(stored: Iterable[StoredEntry]) -> tuple[Finding, ...]:
    """Name what is wrong in a chain; the rows in the order of their places."""
    rows = [_row(item) for item in stored]
    chosen, inserted = _without_inserted(rows)
    findings = [*_inserted(inserted), *_removed(chosen), *_reordered(chosen)]
    chain = sorted(chosen, key=lambda row: row.claim)
    findings += _links(chain)
    if not findings:
        findings = [
            _finding("changed_place", row.place, f"it states the place {row.claim}")
            for row in rows
            if row.place != row.claim
        ]
    return tuple(sorted(findings, key=lambda finding: (finding.seq or 0, finding.code)))


def _row(item: StoredEntry) -> _Row:
    stated = parsed(item.body) or {}
    digest = leaf_hash(item.body.encode()).hex()
    claim = stated.get("seq")
    edited = digest != item.leaf_hash  # whoever edited the body may have edited the place as well
    prev = stated.get("prev_hash")
    return _Row(
        place=item.seq,
        claim=item.seq if edited or type(claim) is not int else claim,
        hash=digest,
        stored_hash=item.leaf_hash,
        stored_prev=item.prev_hash,
        stated_prev=prev if isinstance(prev, str) else None,
    )


def _without_inserted(rows: Sequence[_Row]) -> tuple[list[_Row], list[_Row]]:
    """Of rows that state the same place, the one that its successor names is the genuine one."""
    counts = Counter(row.claim for row in rows)
    named = {(row.claim - 1, row.stated_prev) for row in rows}
    chosen: dict[int, _Row] = {}
    inserted = []
    for row in rows:
        if counts[row.claim] == 1 or row.claim not in chosen:
            chosen[row.claim] = row
        elif (row.claim, row.hash) in named and (row.claim, chosen[row.claim].hash) not in named:
            inserted.append(chosen[row.claim])
            chosen[row.claim] = row
        else:
            inserted.append(row)
    kept = sorted(chosen.values(), key=lambda row: row.place)
    return kept, inserted


def _inserted(rows: Iterable[_Row]) -> Iterator[Finding]:
    for row in rows:
        yield _finding("inserted_entry", row.place, f"another entry holds the place {row.claim} in the chain")


def _removed(rows: Sequence[_Row]) -> Iterator[Finding]:
    present = {row.claim for row in rows}
    missing = set(range(max(present, default=-1) + 1)) - present
    for first, last in spans(missing):
        yield Finding(
            level="V0",
            code="removed_entry",
            what=entries_named(first, last),
            detail="no body states this place: what was recorded there is gone",
            seq=first,
        )


def _reordered(rows: Sequence[_Row]) -> Iterator[Finding]:
    order = sorted(row.claim for row in rows)
    for row, claim in zip(rows, order, strict=True):
        if row.claim != claim:
            yield _finding("reordered_entry", row.place, f"the body of entry {row.claim} lies here")


def _links(chain: Sequence[_Row]) -> Iterator[Finding]:
    if chain and chain[0].claim == 0 and chain[0].stated_prev != GENESIS:
        yield _finding("changed_body", chain[0].claim, "the first entry must name zeros as the hash before it")
    for index, row in enumerate(chain):
        after = chain[index + 1] if index + 1 < len(chain) and chain[index + 1].claim == row.claim + 1 else None
        kept = after is None or after.stated_prev == row.hash
        if row.stored_hash != row.hash:
            yield _edited(row, confirmed=after is not None and kept)
        elif not kept:
            last = index + 2 == len(chain)
            which = f"; or entry {row.claim + 1}, the last one, was" if last else ""
            yield _finding("changed_body", row.claim, f"the entry after it names another hash: it was changed{which}")
        if row.stored_prev != row.stated_prev and row.stored_hash == row.hash:
            yield _finding("changed_hash", row.claim, "the column prev_hash is not what its body states")


def _edited(row: _Row, *, confirmed: bool) -> Finding:
    if confirmed:
        return _finding("changed_hash", row.claim, "its stored hash was changed; the body is the one that was chained")
    return _finding(
        "changed_body", row.claim, f"its body has the hash {row.hash[:16]}, {row.stored_hash[:16]} is stored"
    )


def _finding(code: Code, seq: int, detail: str) -> Finding:
    return Finding(level="V0", code=code, what=f"entry {seq}", detail=detail, seq=seq)
