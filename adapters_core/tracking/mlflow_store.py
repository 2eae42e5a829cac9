"""Runs in MLflow: the only module that imports it (four seconds, and never in a web process).

Telemetry is switched off before the import, and the client gives up after seconds rather than minutes when its server
is down.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters_core.errors import EngineError

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow import MlflowClient  # noqa: E402  # after the environment is set
from mlflow.entities import Metric, Param  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

_FLUSH_EVERY = 50
PARAMETER_LIMIT = 500


class MlflowTracker:
    """A run in MLflow; metrics are sent in batches."""

    def __init__(self, uri: str, *, experiment: str, name: str, tags: Mapping[str, str] | None = None) -> None:
        """Describe the run; it is opened by ``with``.

        Args:
            uri: tracking server, or ``sqlite:///<file>``.
            experiment: made when it does not exist.
            name: of the run.
            tags: such as digests.
        """
        self.uri, self.experiment, self.name, self.tags = uri, experiment, name, dict(tags or {})
        self.run_id: str | None = None
        self._client: MlflowClient | None = None
        self._pending: list[Metric] = []

    def __enter__(self) -> Self:
        """Open the run.

        Raises:
            EngineError: MLflow does not answer.
        """
        try:
            client = MlflowClient(self.uri)
            found = client.get_experiment_by_name(self.experiment)
            experiment_id = found.experiment_id if found else client.create_experiment(self.experiment)
            run = client.create_run(experiment_id, run_name=self.name, tags=self.tags)
        except MlflowException as error:
            raise EngineError(f"MLflow at {self.uri} must answer, it said: {error}") from error
        self._client, self.run_id = client, str(run.info.run_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is pending and close the run."""
        self._flush()
        client, run_id = self._open_run()
        client.set_terminated(run_id, "FINISHED" if kind is None else "FAILED")

    def log_parameters(self, parameters: Mapping[str, str]) -> None:
        """Record what the run was started with (values are cut at MLflow's limit)."""
        client, run_id = self._open_run()
        client.log_batch(run_id, params=[Param(k, str(v)[:PARAMETER_LIMIT]) for k, v in sorted(parameters.items())])

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record numbers of a step."""
        now = int(time.time() * 1000)
        self._pending += [Metric(name, float(value), now, step) for name, value in metrics.items()]
        if len(self._pending) >= _FLUSH_EVERY:
            self._flush()

    def log_file(self, path: Path) -> None:
        """Keep a file with the run."""
        client, run_id = self._open_run()
        client.log_artifact(run_id, str(path))

    def _flush(self) -> None:
        if self._pending:
            client, run_id = self._open_run()
            client.log_batch(run_id, metrics=self._pending)
            self._pending = []

    def _open_run(self) -> tuple[MlflowClient, str]:
        if self._client is None or self.run_id is None:
            raise EngineError("the MLflow run must be opened with 'with' before anything is logged to it")
        return self._client, self.run_id
