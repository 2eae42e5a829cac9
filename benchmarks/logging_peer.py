"""The peer of recording: MLflow alone, as its documentation would have an adapter logged and registered."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from adapters_core.tracking import mlflow_store

__all__ = ["mlflow_store"]  # sets MLflow's environment before it is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

MODEL = "bench"
"""The registered model: a slot's, in the product's terms."""
START_SECONDS = 120


class MlflowAlone:
    """A client with its experiment and its registered model."""

    def __init__(self, uri: str, artifacts: Path | None = None, *, registers: bool = True) -> None:
        """Connect.

        Args:
            uri: of a server, or ``sqlite:///<file>``.
            artifacts: where files go when no server keeps them.
            registers: whether an adapter also becomes a version of the model, with its alias.
        """
        self.registers = registers
        self.client = MlflowClient(uri, registry_uri=uri)
        place = artifacts.as_uri() if artifacts else None
        self.experiment = self.client.create_experiment("bench", artifact_location=place)
        if registers:
            self.client.create_registered_model(MODEL)

    def log_adapter(self, mark: str, data: Mapping[str, Any], folder: Path | None) -> str:
        """A run with tags, parameters, metrics and files, and its place in the registry; answers the run's id.

        In as few calls as the client allows: run, batch, (files,) end, and version and alias where it registers.
        """
        tags = {f"ringi.{name}": str(data[name]) for name in ("job_key", "base", "generator", "tokenizer", "parent")}
        tags |= {f"library.{name}": version for name, version in data["versions"].items()}
        stated = {name: str(data[name]) for name in ("base_name", "tokens", "chunks", "device", "dtype", "threads")}
        numbers = {"norm_total": data["norm_total"], "cost.seconds": data["cost"]["seconds"]}
        numbers |= {f"{site}.{name}": value for site, one in data["norms"].items() for name, value in one.items()}
        run = self.client.create_run(self.experiment, run_name=mark, tags=tags).info
        parameters = [Param(name, value) for name, value in stated.items()]
        self.client.log_batch(run.run_id, metrics=_metrics(numbers), params=parameters)
        if folder:
            self.client.log_artifacts(run.run_id, str(folder), "adapter")
        self.client.set_terminated(run.run_id, "FINISHED")
        if self.registers:
            source = f"{run.artifact_uri}/adapter"
            marks = {"ringi.adapter": mark}
            version = self.client.create_model_version(MODEL, source, run.run_id, tags=marks, await_creation_for=0)
            self.client.set_registered_model_alias(MODEL, "champion", version.version)
        return str(run.run_id)

    def log_context(self, mark: str, text: str) -> None:
        """A run of its own that holds the text, in the clear."""
        run = self.client.create_run(self.experiment, run_name=f"context {mark}", tags={"ringi.kind": "context"}).info
        self.client.log_text(run.run_id, text, "context.txt")
        self.client.set_terminated(run.run_id, "FINISHED")

    def log_evaluation(self, run: str, evaluated: Mapping[str, Any]) -> None:
        """Scores and the report's digest in the adapter's run: one batch."""
        numbers = {name: evaluated[name]["value"] for name in ("recovery", "retention")}
        for method, scores in evaluated["scores"].items():
            numbers |= {f"{method}.{name}": one["value"] for name, one in scores.items()}
        marks = [RunTag("ringi.report", evaluated["report_digest"])]
        self.client.log_batch(run, metrics=_metrics(numbers), tags=marks)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A real tracking server of one worker on SQLite; answers its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    store = ("--backend-store-uri", f"sqlite:///{folder}/server.sqlite3", "--artifacts-destination", f"{folder}/served")
    command = [sys.executable, "-m", "mlflow", "server", *store, "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own words
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait(f"{address}/health", process)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(address, timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the MLflow server must answer at {address} within {START_SECONDS} s, it did not")


def _metrics(numbers: Mapping[str, float | None]) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, float(value), now, 0) for name, value in numbers.items() if value is not None]
