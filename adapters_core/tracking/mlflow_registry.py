"""What the ledger decided, as MLflow shows it: a run an adapter, a model a slot, aliases champion and previous.

A projection: it may be deleted and made again from the ledger. Every call may be repeated; a run is found by the tag
``ringi.adapter``, so a repetition makes nothing twice.
"""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from adapters_core.errors import EngineError
from adapters_core.tracking import mlflow_store  # sets MLflow's environment before it is imported

__all__ = ["Registry"]

from mlflow import MlflowClient  # after the environment is set
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

TAG = "ringi.adapter"
CHAMPION, PREVIOUS = "champion", "previous"
_LIMIT = mlflow_store.PARAMETER_LIMIT


class Registry:
    """Runs, models and aliases of one tracking server."""

    def __init__(self, uri: str, *, experiment: str = "ringi", artifacts: Path | None = None) -> None:
        """Name a server; nothing is asked yet.

        Args:
            uri: tracking server, or ``sqlite:///<file>``.
            experiment: made when it does not exist.
            artifacts: where the files of runs go; None: where the server puts them.
        """
        self._uri, self._experiment, self._artifacts = uri, experiment, artifacts
        self._opened: tuple[MlflowClient, str] | None = None

    def put_adapter(
        self,
        adapter: str,
        *,
        name: str,
        tags: Mapping[str, str],
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        files: Mapping[str, bytes],
    ) -> str:
        """A run for an adapter; answers its id.

        Raises:
            EngineError: MLflow does not answer.
        """
        with _errors(self._uri):
            client, experiment = self._client()
            run = self._find(adapter)
            if run is None:
                run = client.create_run(experiment, run_name=name, tags={**tags, TAG: adapter})
            run_id = str(run.info.run_id)
            listed = [Param(key, str(value)[:_LIMIT]) for key, value in sorted(parameters.items())]
            client.log_batch(run_id, params=listed, metrics=_metrics(metrics))
            self._put_files(run_id, files, "adapter")
            client.set_terminated(run_id, "FINISHED")
            return run_id

    def experiment(self) -> str:
        """The id of the experiment in which the runs are.

        Raises:
            EngineError: MLflow does not answer.
        """
        with _errors(self._uri):
            return self._client()[1]

    def put_evaluation(
        self, adapter: str, *, evaluation: str, metrics: Mapping[str, float], report: bytes, tags: Mapping[str, str]
    ) -> str:
        """Metrics and a report in an adapter's run; answers its id.

        Raises:
            EngineError: MLflow does not answer, or has no run of this adapter yet.
        """
        with _errors(self._uri):
            client, _experiment = self._client()
            run_id = self._run_id(adapter)
            marks = [RunTag(key, value) for key, value in sorted(tags.items())]
            client.log_batch(run_id, metrics=_metrics(metrics), tags=marks)
            self._put_files(run_id, {f"{evaluation}.json": report}, "evaluations")
            return run_id

    def point(self, slot: str, champion: str | None, previous: str | None) -> None:
        """Set a slot's aliases; None takes one away.

        Raises:
            EngineError: MLflow does not answer, or has no run of the adapter yet.
        """
        with _errors(self._uri):
            client, _experiment = self._client()
            self._model(slot)
            for alias, adapter in ((CHAMPION, champion), (PREVIOUS, previous)):
                if adapter is None:
                    self._take_back(slot, alias)
                else:
                    client.set_registered_model_alias(slot, alias, self._version(slot, adapter))

    def pointed(self, slot: str) -> dict[str, str]:
        """alias -> adapter, as MLflow has it now; empty where it has no such model.

        Raises:
            EngineError: MLflow does not answer.
        """
        with _errors(self._uri):
            client, _experiment = self._client()
            found = client.search_registered_models(f"name = '{slot}'")
            aliases = found[0].aliases if found else {}
            return {
                alias: client.get_model_version(slot, version).tags.get(TAG, "") for alias, version in aliases.items()
            }

    def runs(self) -> tuple[str, ...]:
        """The adapters that have a run.

        Raises:
            EngineError: MLflow does not answer.
        """
        with _errors(self._uri):
            client, experiment = self._client()
            return tuple(run.data.tags[TAG] for run in client.search_runs([experiment]) if TAG in run.data.tags)

    def delete_adapter(self, adapter: str) -> None:
        """Delete an adapter's run with its files, what people called it, and its versions of models with their aliases.

        MLflow keeps the row of a deleted run until its administrator runs ``mlflow gc``: it is renamed before.

        Raises:
            EngineError: MLflow does not answer.
        """
        with _errors(self._uri):
            client, _experiment = self._client()
            for version in client.search_model_versions(f"tags.`{TAG}` = '{adapter}'"):
                client.delete_model_version(version.name, str(version.version))
            run = self._find(adapter)
            if run is not None:
                self._delete_files(run)
                client.update_run(run.info.run_id, name=adapter)
                client.delete_run(run.info.run_id)

    def _client(self) -> tuple[MlflowClient, str]:
        if self._opened is None:
            client = MlflowClient(self._uri, registry_uri=self._uri)
            found = client.get_experiment_by_name(self._experiment)
            place = self._artifacts.as_uri() if self._artifacts else None
            made = found.experiment_id if found else client.create_experiment(self._experiment, artifact_location=place)
            self._opened = (client, str(made))
        return self._opened

    def _find(self, adapter: str) -> Run | None:
        client, experiment = self._client()
        found = client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{adapter}'", max_results=1)
        return found[0] if found else None

    def _run_id(self, adapter: str) -> str:
        run = self._find(adapter)
        if run is None:
            raise EngineError(f"MLflow at {self._uri} has no run of adapter {adapter} yet: it is on its way")
        return str(run.info.run_id)

    def _put_files(self, run_id: str, files: Mapping[str, bytes], place: str) -> None:
        client, _experiment = self._client()
        with tempfile.TemporaryDirectory(prefix="ringi-mlflow-") as folder:
            for name, data in files.items():
                (Path(folder) / name).write_bytes(data)
            client.log_artifacts(run_id, folder, place)

    def _delete_files(self, run: Run) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        get_artifact_repository(run.info.artifact_uri).delete_artifacts()

    def _model(self, slot: str) -> None:
        client, _experiment = self._client()
        if not client.search_registered_models(f"name = '{slot}'"):
            client.create_registered_model(slot)

    def _version(self, slot: str, adapter: str) -> str:
        client, _experiment = self._client()
        for version in client.search_model_versions(f"name = '{slot}'"):
            if version.tags.get(TAG) == adapter:
                return str(version.version)
        run_id = self._run_id(adapter)
        source = f"{client.get_run(run_id).info.artifact_uri}/adapter"
        return str(client.create_model_version(slot, source, run_id=run_id, tags={TAG: adapter}).version)

    def _take_back(self, slot: str, alias: str) -> None:
        client, _experiment = self._client()
        if alias in client.get_registered_model(slot).aliases:
            client.delete_registered_model_alias(slot, alias)


class _errors:  # noqa: N801  # reads as a with statement
    """MLflow's errors as ours."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MlflowException | OSError):
            raise EngineError(f"MLflow at {self._uri} must answer, it said: {error}") from error


def _metrics(numbers: Mapping[str, float]) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, float(value), now, 0) for name, value in sorted(numbers.items())]
