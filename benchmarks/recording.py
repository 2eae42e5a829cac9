"""What does it cost to record an adapter, against logging the same to MLflow alone?

One adapter that the shipped generator made of a real base, its context, and its evaluation. Peers in the same run, both
on SQLite on the same disk, each repetition with another name:

* ledger: one transaction each for context (sealed in the vault), adapter and evaluation, as in the product, each with
  its messages in the outbox, hash chain, tree and search indexes, and committed to the disk;
* MLflow: a run with the same tags, parameters and metrics (norms of every site included), in as few calls as its client
  allows: one to create the run, one batch, one to end it.

Once without and once with the adapter's three files (in the store by digest; as artifacts of the run).
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import benchmarks.ready  # noqa: F401  before anything of Django's
from adapters_core.artifact import write_session
from adapters_core.canonical import sha256_hex, tree_sha256
from adapters_core.data.documents import Document
from adapters_core.ledger import outbox
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from adapters_core.manifest import Manifest
from adapters_core.timing import KEY, document_of
from adapters_core.tracking import mlflow_store
from benchmarks.installing import prepare_people
from benchmarks.population import actor
from benchmarks.reporting import arguments, core_of, report
from governance import artifacts
from governance.services.submit_context import submit_context
from governance.worker import projection
from governance.worker.generated import entry_data
from governance.worker.generating import FILES
from tests.cast import HANAKO
from tests.factories.installations import Place, installed, make_template

__all__ = ["mlflow_store"]  # sets MLflow's environment before it is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

TOKENS = 1_024
Files = Mapping[str, bytes]
"""Name -> content."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is recorded of one adapter."""

    mark: str
    """Its name; another one each time."""
    text: str
    generated: Mapping[str, Any]
    evaluated: Mapping[str, Any]


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    core = core_of(args)
    document = document_of(core, TOKENS)
    prepare_people()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        session = core.generate([Document(name="bench", text=document.text)], key=KEY)
        folder = write_session(session, Path(scratch) / "adapter")
        files = {name: (folder / name).read_bytes() for name in FILES}
        client = MlflowClient(f"sqlite:///{scratch}/mlflow.sqlite3")
        experiment = client.create_experiment("bench", artifact_location=(Path(scratch) / "runs").as_uri())
        with installed(make_template(Path(scratch) / "var")) as place:
            for with_files in (False, True):
                own: list[float] = []
                theirs: list[float] = []
                logged = folder if with_files else None
                for number in range(args.repeats + 1):
                    mark = f"{with_files}-{number}"
                    given = record(mark, document.text, files)
                    own.append(_timed(partial(to_ledger, place, given, files if with_files else None)))
                    theirs.append(_timed(partial(to_mlflow, client, experiment, given, logged)))
                ledger, mlflow = median(own[1:]), median(theirs[1:])  # the first one warms up
                rows.append(
                    {
                        "what": "record and files" if with_files else "record",
                        "ledger ms": ledger * 1e3,
                        "MLflow ms": mlflow * 1e3,
                        "MLflow / ledger": mlflow / ledger,
                    }
                )
    report("recording", rows, args, core)


def to_ledger(place: Place, record: Record, files: Files | None) -> None:
    """Context, adapter and evaluation in the ledger, the vault and the outbox."""
    for data in (files or {}).values():
        artifacts.keep(data)
    context = submit_context(place.actor(HANAKO), title=record.mark, text=record.text, personal_data_reason="Made up")
    about = Subject(kind="adapter", id=sha256_hex(record.mark.encode()))
    engineer = actor(HANAKO)
    parts = [{"id": context, "commitment": "c" * 64, "chunk_commitments": []}]
    with place.ledger.write() as tx:
        generated = {**record.generated, "contexts": parts}
        made = append(tx, "adapter:generated", subject=about, actor=engineer, data=generated)
        projection.send_adapter(tx, made)
        notice = {"kind": "adapter_generated", "subject": about.to_json(), "seq": made.seq, "people": [HANAKO.id]}
        outbox.send(tx, topic="notice", key=f"adapter_generated:{made.seq}", payload=notice, seq=made.seq)
    with place.ledger.write() as tx:
        measured = append(tx, "adapter:evaluated", subject=about, actor=engineer, data=record.evaluated)
        projection.send_evaluation(tx, measured)


def to_mlflow(client: MlflowClient, experiment: str, record: Record, folder: Path | None) -> None:
    """The same as a run."""
    data = record.generated
    tags = {f"ringi.{name}": str(data[name]) for name in ("job_key", "base", "generator", "tokenizer", "parent")}
    tags |= {f"library.{name}": version for name, version in data["versions"].items()}
    parameters = {name: str(data[name]) for name in ("base_name", "tokens", "chunks", "device", "dtype", "threads")}
    metrics = {"norm_total": data["norm_total"], "cost.seconds": data["cost"]["seconds"]}
    metrics |= {f"{site}.{name}": value for site, one in data["norms"].items() for name, value in one.items()}
    metrics |= {name: record.evaluated[name]["value"] for name in ("recovery", "retention")}
    for method, scores in record.evaluated["scores"].items():
        metrics |= {f"{method}.{name}": one["value"] for name, one in scores.items()}
    now = int(time.time() * 1000)
    rows = [Metric(name, float(value), now, 0) for name, value in metrics.items() if value is not None]
    run = client.create_run(experiment, run_name=record.mark, tags=tags).info.run_id
    stated = [Param(name, value) for name, value in parameters.items()]
    marks = [RunTag("ringi.report", record.evaluated["report_digest"])]
    client.log_batch(run, metrics=rows, params=stated, tags=marks)
    if folder:
        client.log_artifacts(run, str(folder), "adapter")
    client.set_terminated(run, "FINISHED")


def record(mark: str, text: str, files: Files) -> Record:
    """All of it, before anything is timed."""
    digests = {name: sha256_hex(data) for name, data in files.items()}
    artifact = {"digest": tree_sha256(digests), "files": digests, "bytes": sum(map(len, files.values()))}
    manifest = Manifest.from_bytes(files["manifest.json"])
    generated = entry_data(manifest, name=mark, job_key=mark, contexts=[], artifact=artifact)
    return Record(mark=mark, text=text, generated=generated, evaluated=evaluation(mark))


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


def _timed(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
