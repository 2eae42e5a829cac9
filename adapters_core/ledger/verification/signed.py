"""V1: checkpoints against their signatures, against each other, and against the entries. Imports no database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from adapters_core.canonical import canonical_bytes, sha256_hex
from adapters_core.errors import IntegrityError
from adapters_core.ledger.signing import CHECKPOINT_TYPE, VerifyingKey, opened
from adapters_core.ledger.verification.findings import Code, Finding, entries_named


@dataclass(frozen=True, kw_only=True)
class StoredCheckpoint:
    """A row of the checkpoints as it lies there."""

    size: int
    time: str
    root_hash: str
    key_id: str
    envelope: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a checkpoint says whose signature holds."""

    size: int
    root_hash: str
    head: str
    ledger: str
    previous: str | None
    digest: str
    """Of its envelope."""


def check_signatures(
    stored: Iterable[StoredCheckpoint], keys: Sequence[VerifyingKey], *, after: Statement | None = None
) -> tuple[list[Statement], list[Finding]]:
    """The statements whose signatures hold, and what is wrong with the rest.

    Args:
        stored: checkpoints by size.
        keys: the public keys that may have signed.
        after: the checkpoint before the first one, where only a tail is looked at.
    """
    statements, findings = [], []
    before = after.digest if after else None
    for item in stored:
        digest = None
        try:
            digest = _digest(item.envelope)
            statement = _statement(item, keys, digest)
        except IntegrityError as error:
            findings.append(_finding("replaced_checkpoint", item.size, str(error)))
        else:
            statements.append(statement)
            if statement.previous != before:
                detail = "it names another checkpoint before it than the one that is there"
                findings.append(_finding("removed_checkpoint", item.size, detail))
        before = digest
    return statements, findings


def check_roots(
    statements: Iterable[Statement],
    roots: Mapping[int, tuple[str, str]],
    *,
    size: int,
    origin: str | None,
    good_to: int = 0,
) -> tuple[list[Finding], int | None]:
    """Statements against the entries: what contradicts, and the size of the newest checkpoint that holds.

    Args:
        statements: signed checkpoints by size.
        roots: size -> (root, head), computed from the entries.
        size: how many entries there are.
        origin: leaf hash of entry 0.
        good_to: the size up to which a checkpoint is known to hold already.
    """
    findings: list[Finding] = []
    newest: int | None = good_to or None
    for statement in statements:
        if statement.size > size:
            findings.append(_truncated(statement.size, size))
            break
        same = roots.get(statement.size) == (statement.root_hash, statement.head) and statement.ledger == origin
        if not same:
            what = entries_named(newest or 0, statement.size - 1)
            detail = f"what is there now is not what checkpoint {statement.size} signed: the chain was made anew"
            findings.append(Finding(level="V1", code="rechained_tail", what=what, detail=detail, seq=newest or 0))
            break
        newest = statement.size
    return findings, newest


def check_anchors(
    anchors: Iterable[Mapping[str, Any]],
    keys: Sequence[VerifyingKey],
    roots: Mapping[int, tuple[str, str]],
    *,
    size: int,
) -> list[Finding]:
    """Checkpoints that were kept elsewhere against the entries."""
    findings = []
    for envelope in anchors:
        statement = anchor_statement(envelope, keys)
        if statement.size > size:
            findings.append(_truncated(statement.size, size))
        elif roots.get(statement.size) != (statement.root_hash, statement.head):
            detail = "it was signed and kept elsewhere, and the entries are not those that it covers"
            findings.append(_finding("anchor_contradicted", statement.size, detail))
    return findings


def anchor_statement(envelope: Mapping[str, Any], keys: Sequence[VerifyingKey]) -> Statement:
    """What a checkpoint says that was kept elsewhere.

    Raises:
        IntegrityError: no known key has signed it.
    """
    stated = opened(envelope, keys, CHECKPOINT_TYPE)
    return _from_json(stated, _digest(envelope))


def _digest(envelope: Mapping[str, Any]) -> str:
    """How the next checkpoint names this one."""
    try:
        return sha256_hex(canonical_bytes(envelope))
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise IntegrityError(f"an envelope must have a form in RFC 8785: {error}") from error


def _statement(item: StoredCheckpoint, keys: Sequence[VerifyingKey], digest: str) -> Statement:
    stated = opened(item.envelope, keys, CHECKPOINT_TYPE)
    columns = {"size": item.size, "time": item.time, "root_hash": item.root_hash}
    if wrong := [name for name, value in columns.items() if stated.get(name) != value]:
        raise IntegrityError(f"its row and its signed statement differ in {', '.join(wrong)}")
    return _from_json(stated, digest)


def _from_json(stated: Mapping[str, Any], digest: str) -> Statement:
    try:
        return Statement(
            size=int(stated["size"]),
            root_hash=str(stated["root_hash"]),
            head=str(stated["head"]),
            ledger=str(stated["ledger"]),
            previous=stated["previous"],
            digest=digest,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"a checkpoint must state size, root, head, ledger and previous: {error}") from error


def _truncated(signed: int, size: int) -> Finding:
    what = entries_named(size, signed - 1)
    detail = f"checkpoint {signed} covers them, and the ledger ends before"
    return Finding(level="V1", code="truncated", what=what, detail=detail, seq=size)


def _finding(code: Code, size: int, detail: str) -> Finding:
    return Finding(level="V1", code=code, what=f"checkpoint {size}", detail=detail, seq=size - 1)
