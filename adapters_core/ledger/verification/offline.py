"""Verifying a pack with nothing but its bytes and the public keys that the verifier trusts. Imports no database."""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters_core.errors import InputError, IntegrityError, StorageError
from adapters_core.ledger.chain import leaf_hash
from adapters_core.ledger.signing import VerifyingKey, unverified
from adapters_core.ledger.tree import includes
from adapters_core.ledger.verification.diagnosis import diagnose
from adapters_core.ledger.verification.findings import Finding, Report
from adapters_core.ledger.verification.signed import Statement, StoredCheckpoint, check_roots, check_signatures
from adapters_core.ledger.verification.walk import StoredEntry, parsed, walk

MAX_LINE_BYTES = 16 * 2**20


def verify_pack(path: Path, keys: Sequence[VerifyingKey]) -> Report:
    """Verify a pack: chain and checkpoints of a whole one, inclusion proofs of a slice.

    Args:
        path: the zip file.
        keys: the public keys that the verifier trusts. The keys in the pack say who claims to have signed, no more.

    Raises:
        StorageError: the file cannot be read.
        InputError: it is no pack of this version.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            stated = _stated(pack)
            whole = stated.get("kind") == "whole"
            return _verify_whole(pack, keys) if whole else _verify_slice(pack, keys)
    except OSError as error:
        raise StorageError(f"{path} must be readable: {error.strerror}") from error
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} must be a pack of the ledger: {error}") from error


def _verify_whole(pack: zipfile.ZipFile, keys: Sequence[VerifyingKey]) -> Report:
    statements, findings = check_signatures(_checkpoints(pack), keys)
    state = walk(_entries(pack), frozenset(item.size for item in statements))
    findings += state.findings
    if state.broken:
        findings += diagnose(_entries(pack))
    first = min((item.seq or 0 for item in findings if item.level == "V0"), default=state.size)
    sound = [item for item in statements if item.size <= first or item.size > state.size]
    wrong, newest = check_roots(sound, state.roots, size=state.size, origin=state.origin)
    return Report(
        levels=("V0", "V1"),
        since=0,
        size=state.size,
        root_hash=state.frontier.root().hex(),
        checkpoint=newest,
        findings=(*findings, *wrong),
    )


def _verify_slice(pack: zipfile.ZipFile, keys: Sequence[VerifyingKey]) -> Report:
    (stored,) = tuple(_checkpoints(pack)) or (None,)
    if stored is None:
        raise InputError("a slice must hold the checkpoint to which its proofs lead")
    statements, findings = check_signatures([stored], keys)
    findings = [item for item in findings if item.code != "removed_checkpoint"]  # the one before it is not in a slice
    count = 0
    for line in _lines(pack, "proved.jsonl"):
        count += 1
        findings += [_unproved(line)] if not statements or not _holds(line, statements[0]) else []
    return Report(
        levels=("V0", "V1"),
        since=0,
        size=count,
        root_hash=stored.root_hash,
        checkpoint=statements[0].size if statements else None,
        findings=tuple(findings),
    )


def _holds(line: str, statement: Statement) -> bool:
    proof = parsed(line) or {}
    try:
        body, path = str(proof["body"]), [bytes.fromhex(node) for node in proof["path"]]
        index = int((parsed(body) or {})["seq"])
    except (KeyError, TypeError, ValueError):
        return False
    leaf, root = leaf_hash(body.encode()), bytes.fromhex(statement.root_hash)
    return includes(path, index=index, size=statement.size, leaf=leaf, root=root)


def _unproved(line: str) -> Finding:
    seq = (parsed(line) or {}).get("seq")
    what = f"entry {seq}"
    detail = "its proof does not lead to the signed root: it is not what was recorded there"
    return Finding(
        level="V1", code="unproved_entry", what=what, detail=detail, seq=seq if isinstance(seq, int) else None
    )


def _entries(pack: zipfile.ZipFile) -> Iterator[StoredEntry]:
    """Bodies as rows: a pack has no columns that could disagree with them."""
    for place, body in enumerate(_lines(pack, "entries.jsonl")):
        stated = parsed(body) or {}
        prev = stated.get("prev_hash")
        digest = leaf_hash(body.encode()).hex()
        yield StoredEntry(seq=place, prev_hash=str(prev), leaf_hash=digest, nodes=None, body=body)


def _checkpoints(pack: zipfile.ZipFile) -> Iterator[StoredCheckpoint]:
    for line in _lines(pack, "checkpoints.jsonl"):
        envelope = parsed(line) or {}
        stated = _unsigned(envelope)
        yield StoredCheckpoint(
            size=stated.get("size", 0),
            time=str(stated.get("time")),
            root_hash=str(stated.get("root_hash")),
            key_id="",
            envelope=envelope,
        )


def _unsigned(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return unverified(envelope)
    except IntegrityError:
        return {}


def _stated(pack: zipfile.ZipFile) -> Mapping[str, Any]:
    try:
        stated: Any = json.loads(pack.read("pack.json"))
    except ValueError as error:
        raise InputError(f"pack.json must be JSON: {error}") from error
    if not isinstance(stated, dict) or stated.get("v") != 1 or stated.get("kind") not in {"whole", "slice"}:
        raise InputError(f"a pack must be of version 1 and whole or a slice, got {str(stated)[:80]}")
    return stated


def _lines(pack: zipfile.ZipFile, name: str) -> Iterator[str]:
    with pack.open(name) as file:
        while line := file.readline(MAX_LINE_BYTES):
            yield line.decode("utf-8", "replace").rstrip("\n")
