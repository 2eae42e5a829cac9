"""What does it cost to record an adapter, against logging the same to MLflow alone?

One adapter that the shipped generator made of a real base, its context, and its evaluation. All ways in the same run,
all on SQLite on the same disk, each time with another name. They take turns in a changing order, each with five
recordings in a row: medians are of all of them, and besides of the first ones, which find the caches full of others'
work.

* ledger: one transaction each for context (sealed in the vault), adapter and evaluation, as in the product, each with
  its messages in the outbox, hash chain, tree and search indexes, and committed to the disk;
* MLflow's run alone, its client in this process on SQLite: the same tags, parameters and metrics (norms of every site
  included), in as few calls as the client allows;
* the same with a version of a registered model, its tag and its alias;
* the latter over HTTP, to an MLflow server of one worker on this machine.

The adapter alone, and with its context and evaluation; each without and with the adapter's three files (in the store by
digest and synced to the disk; as artifacts of the run). Weights and manifest are other bytes each time, as those of
each adapter are: what the store holds already, as PEFT's configuration, it does not write again.
"""

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, product
from os import SEEK_END
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

import benchmarks.ready  # noqa: F401  before anything of Django's
from adapters_core.artifact import write_session
from adapters_core.canonical import sha256_hex, tree_sha256
from adapters_core.data.documents import Document
from adapters_core.ledger import outbox
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from adapters_core.manifest import Manifest
from adapters_core.timing import KEY, document_of
from benchmarks.installing import prepare_people
from benchmarks.logging_peer import MlflowAlone, served
from benchmarks.population import actor
from benchmarks.reporting import arguments, core_of, report
from governance import artifacts
from governance.services.submit_context import submit_context
from governance.worker import projection
from governance.worker.generated import entry_data
from governance.worker.generating import FILES
from tests.cast import HANAKO
from tests.factories.installations import Place, installed, make_template

TOKENS = 1_024
WEIGHTS, MANIFEST = "adapter_model.safetensors", "manifest.json"
IN_A_ROW = 5
"""Recordings of one way before it is another's turn."""


class Way(NamedTuple):
    """What is recorded in one go."""

    whole: bool
    """With context and evaluation."""
    with_files: bool

    @property
    def what(self) -> str:
        """In words."""
        what = "context, adapter and evaluation" if self.whole else "adapter"
        return f"{what}, with files" if self.with_files else what


WAYS = tuple(Way(*each) for each in product((False, True), repeat=2))


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is recorded of one adapter."""

    mark: str
    """Its name; another one each time."""
    text: str
    generated: Mapping[str, Any]
    evaluated: Mapping[str, Any]
    files: Mapping[str, bytes]
    """Name -> content; none where they are not recorded."""
    folder: Path | None
    """Where they lie."""


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    core = core_of(args)
    document = document_of(core, TOKENS)
    prepare_people()
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        session = core.generate([Document(name="bench", text=document.text)], key=KEY)
        made = write_session(session, scratch / "adapter")
        folders = [scratch / f"files-{turn}" for turn in range(IN_A_ROW)]
        for folder in folders:
            folder.mkdir()
            for name in FILES:
                shutil.copyfile(made / name, folder / name)
        manifest = (made / MANIFEST).read_bytes()
        place = opened.enter_context(installed(make_template(scratch / "var")))
        database = f"sqlite:///{scratch}"
        peers = {
            "run alone": MlflowAlone(f"{database}/runs.sqlite3", artifacts=scratch / "alone", registers=False),
            "in process": MlflowAlone(f"{database}/mlflow.sqlite3", artifacts=scratch / "runs"),
            "server": MlflowAlone(opened.enter_context(served(scratch))),
        }
        times: dict[Way, dict[str, list[list[float]]]] = {way: defaultdict(list) for way in WAYS}
        names, random = ["ledger", *peers], Random(0)
        for number, way in product(range(args.repeats + 1), WAYS):
            random.shuffle(names)  # nobody always follows upon the same one
            for name in names:
                given = [
                    prepared(way, f"{way.what} {number}-{turn}", document.text, folder, manifest)
                    for turn, folder in enumerate(folders)
                ]
                if name == "ledger":
                    taken = [to_ledger(place, each, whole=way.whole) for each in given]
                else:
                    taken = [to_mlflow(peers[name], each, whole=way.whole) for each in given]
                if number:  # the first turn is for warming up
                    times[way][name].append(taken)
    report("recording", [row(way, taken) for way, taken in times.items()], args, core)


def prepared(way: Way, mark: str, text: str, folder: Path, manifest: bytes) -> Record:
    """All of an adapter, before anything is timed: with other weights and another manifest than the others have."""
    own = sha256(mark.encode())
    with (folder / WEIGHTS).open("r+b") as file:
        file.seek(-own.digest_size, SEEK_END)
        file.write(own.digest())
    (folder / MANIFEST).write_bytes(manifest + own.hexdigest().encode())
    files = {name: (folder / name).read_bytes() for name in FILES}
    digests = {name: sha256_hex(data) for name, data in files.items()}
    artifact = {"digest": tree_sha256(digests), "files": digests, "bytes": sum(map(len, files.values()))}
    stated = Manifest.from_bytes(manifest)
    return Record(
        mark=mark,
        text=text,
        generated=entry_data(stated, name=mark, job_key=mark, contexts=[], artifact=artifact),
        evaluated=evaluation(mark),
        files=files if way.with_files else {},
        folder=folder if way.with_files else None,
    )


def row(way: Way, taken: Mapping[str, list[list[float]]]) -> dict[str, Any]:
    """A row of the table: medians of each way, and of the first recordings after others' work."""
    own, alone, direct, http = (
        median(chain.from_iterable(taken[name])) for name in ("ledger", "run alone", "in process", "server")
    )
    first = {name: median(each[0] for each in times) for name, times in taken.items()}
    return {
        "what": way.what,
        "ledger ms": own * 1e3,
        "MLflow run alone ms": alone * 1e3,
        "MLflow in process ms": direct * 1e3,
        "MLflow server ms": http * 1e3,
        "run alone / ledger": alone / own,
        "in process / ledger": direct / own,
        "server / ledger": http / own,
        "first of five: ledger ms": first["ledger"] * 1e3,
        "run alone / first": first["run alone"] / first["ledger"],
        "in process / first": first["in process"] / first["ledger"],
        "server / first": first["server"] / first["ledger"],
    }


def to_ledger(place: Place, record: Record, *, whole: bool) -> float:
    """Seconds for the adapter in ledger and outbox; ``whole``: its context in the vault and its evaluation too.

    A context must be there before its adapter: where it is not asked for, it is submitted before the clock starts.
    """
    started = time.perf_counter()
    context = submit_context(place.actor(HANAKO), title=record.mark, text=record.text, personal_data_reason="Made up")
    if not whole:
        started = time.perf_counter()
    artifacts.keep_all({sha256_hex(data): data for data in record.files.values()})
    about = Subject(kind="adapter", id=sha256_hex(record.mark.encode()))
    engineer = actor(HANAKO)
    parts = [{"id": context, "commitment": "c" * 64, "chunk_commitments": []}]
    with place.ledger.write() as tx:
        generated = {**record.generated, "contexts": parts}
        made = append(tx, "adapter:generated", subject=about, actor=engineer, data=generated)
        projection.send_adapter(tx, made)
        notice = {"kind": "adapter_generated", "subject": about.to_json(), "seq": made.seq, "people": [HANAKO.id]}
        outbox.send(tx, topic="notice", key=f"adapter_generated:{made.seq}", payload=notice, seq=made.seq)
    if whole:
        with place.ledger.write() as tx:
            measured = append(tx, "adapter:evaluated", subject=about, actor=engineer, data=record.evaluated)
            projection.send_evaluation(tx, measured)
    return time.perf_counter() - started


def to_mlflow(peer: MlflowAlone, record: Record, *, whole: bool) -> float:
    """Seconds for the same in MLflow alone."""
    started = time.perf_counter()
    if whole:
        peer.log_context(record.mark, record.text)
    run = peer.log_adapter(record.mark, record.generated, record.folder)
    if whole:
        peer.log_evaluation(run, record.evaluated)
    return time.perf_counter() - started


def evaluation(mark: str) -> dict[str, Any]:
    """What an evaluation records."""
    measured = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 24}
    metrics = dict.fromkeys(("nll", "f1", "exact_match", "contains"), measured)
    return {
        "evaluation": mark,
        "suite": "context",
        "report_digest": sha256_hex(mark.encode()),
        "scores": dict.fromkeys(("none", "prompt", "adapter", "wrong"), metrics),
        "recovery": measured,
        "retention": measured,
        "cost": {"seconds": 12.0},
        "gates": [],
    }


if __name__ == "__main__":
    main()
