"""A pack: entries, checkpoints and public keys in one zip, to be verified elsewhere without any database.

A whole pack holds the chain from its first entry. A slice holds some entries, and of each the inclusion proof that
leads to one signed checkpoint: it shows what was recorded and withholds the rest.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import InputError
from adapters_core.ledger.checkpoints import Checkpoint, checkpoint_at, latest_checkpoint, stored_nodes
from adapters_core.ledger.queries import chain_entries, entry
from adapters_core.ledger.records import Entry
from adapters_core.ledger.signing import VerifyingKey
from adapters_core.ledger.tables import checkpoints
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.tree import prove_inclusion
from adapters_core.storage import atomic_file

VERSION = 1


def export_pack(reader: Reader, path: Path, keys: Sequence[VerifyingKey]) -> int:
    """Write the whole ledger as it is in this snapshot; answers how many entries it has.

    Raises:
        StorageError: the file cannot be written; nothing was left behind.
    """
    count = 0
    with atomic_file(path) as staging, zipfile.ZipFile(staging, "w", zipfile.ZIP_DEFLATED) as pack:
        with pack.open("entries.jsonl", "w", force_zip64=True) as file:
            for item in chain_entries(reader):
                file.write(item.body.encode() + b"\n")
                count += 1
        _write(pack, "checkpoints.jsonl", _envelopes(reader))
        _write(pack, "keys.json", [canonical_bytes([key.to_json() for key in keys])])
        _write(pack, "pack.json", [canonical_bytes({"v": VERSION, "kind": "whole", "size": count})])
    return count


def export_slice(reader: Reader, path: Path, seqs: Iterable[int], keys: Sequence[VerifyingKey]) -> Checkpoint:
    """Write some entries with their inclusion proofs; answers the checkpoint to which the proofs lead.

    Raises:
        InputError: no checkpoint covers all of them yet, or none was asked for: sign one first.
        UnknownSubjectError: the ledger has no such entry.
        StorageError: the file cannot be written; nothing was left behind.
    """
    wanted = [entry(reader, seq) for seq in sorted(set(seqs))]
    checkpoint = checkpoint_at(reader, covering=wanted[-1].seq) if wanted else None
    if checkpoint is None:
        raise InputError("a slice needs entries that a signed checkpoint covers: name some, and sign one first")
    lines = [canonical_bytes(proved(reader, item, checkpoint)) for item in wanted]
    with atomic_file(path) as staging, zipfile.ZipFile(staging, "w", zipfile.ZIP_DEFLATED) as pack:
        _write(pack, "proved.jsonl", lines)
        _write(pack, "checkpoints.jsonl", [canonical_bytes(checkpoint.envelope)])
        _write(pack, "keys.json", [canonical_bytes([key.to_json() for key in keys])])
        _write(pack, "pack.json", [canonical_bytes({"v": VERSION, "kind": "slice", "size": checkpoint.size})])
    return checkpoint


def proved(reader: Reader, item: Entry, checkpoint: Checkpoint) -> Mapping[str, Any]:
    """An entry's body with its audit path to a checkpoint's root, as JSON.

    Raises:
        InputError: the checkpoint does not cover the entry.
    """
    path = prove_inclusion(lambda wanted: stored_nodes(reader, wanted), item.seq, checkpoint.size)
    return {"seq": item.seq, "body": item.body, "size": checkpoint.size, "path": [node.hex() for node in path]}


def latest_proof(reader: Reader, seq: int) -> tuple[Mapping[str, Any], Checkpoint] | None:
    """An entry with its proof to the newest checkpoint; None where none covers it yet.

    Raises:
        UnknownSubjectError: the ledger has no such entry.
    """
    item, checkpoint = entry(reader, seq), latest_checkpoint(reader)
    if checkpoint is None or checkpoint.size <= seq:
        return None
    return proved(reader, item, checkpoint), checkpoint


def _envelopes(reader: Reader) -> Iterator[bytes]:
    asked = select(checkpoints.c.envelope).order_by(checkpoints.c.size)
    for envelope in reader.connection.execute(asked).scalars():
        yield canonical_bytes(json.loads(envelope))


def _write(pack: zipfile.ZipFile, name: str, lines: Iterable[bytes]) -> None:
    with pack.open(name, "w", force_zip64=True) as file:
        for line in lines:
            file.write(line + b"\n")
