"""Runs in a real MLflow with a SQLite file."""

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adapters_core.errors import EngineError
from adapters_core.tracking.mlflow_store import MlflowTracker

# MLflow 3.17 uses a loader that SQLAlchemy 2.1 calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # MLflow puts artifacts below the working folder
    return f"sqlite:///{tmp_path / 'runs.db'}"


def test_telemetry_is_off() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["DO_NOT_TRACK"] == "true"


def test_a_run_is_recorded_with_its_metrics_and_files(uri: str, tmp_path: Path) -> None:
    curve = tmp_path / "loss.svg"
    curve.write_text("<svg/>")
    with MlflowTracker(uri, experiment="training", name="first", tags={"recipe": "tiny"}) as tracker:
        tracker.log_parameters({"rank": "8", "long": "x" * 2000})
        for step in range(60):
            tracker.log_metrics(step, {"loss": 1.0 / (step + 1)})
        tracker.log_file(curve)
    client = MlflowClient(uri)
    assert tracker.run_id is not None
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["recipe"] == "tiny"
    assert run.data.params["rank"] == "8"
    assert len(client.get_metric_history(tracker.run_id, "loss")) == 60
    assert [file.path for file in client.list_artifacts(tracker.run_id)] == ["loss.svg"]


def test_a_run_that_breaks_is_recorded_as_failed(uri: str) -> None:
    tracker = MlflowTracker(uri, experiment="training", name="broken")

    def breaks() -> None:
        with tracker:
            tracker.log_metrics(0, {"loss": 1.0})
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        breaks()
    assert tracker.run_id is not None
    run = MlflowClient(uri).get_run(tracker.run_id)
    assert run.info.status == "FAILED"
    assert run.data.metrics["loss"] == 1.0


def test_logging_before_the_run_is_open_is_refused(uri: str) -> None:
    tracker = MlflowTracker(uri, experiment="training", name="early")
    tracker.log_metrics(0, {"loss": 1.0})
    with pytest.raises(EngineError, match="opened"):
        tracker.log_metrics(1, {f"metric{i}": 0.0 for i in range(60)})
