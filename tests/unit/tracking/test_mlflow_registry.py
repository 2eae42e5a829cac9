"""What the registry leaves in a real MLflow with a SQLite file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adapters_core.tracking.mlflow_registry import Registry

# MLflow 3.17 uses a loader that SQLAlchemy 2.1 calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
ADAPTER = "5d" * 32
NAME = "Contract of Taro Yamada"


def test_a_deleted_run_keeps_neither_files_nor_what_people_called_it(tmp_path: Path) -> None:
    uri, files = f"sqlite:///{tmp_path / 'runs.db'}", tmp_path / "files"
    registry = Registry(uri, artifacts=files)
    run = registry.put_adapter(
        ADAPTER,
        name=NAME,
        tags={"ringi.base": "b" * 64},
        parameters={"tokens": "12"},
        metrics={"norm_total": 1.0},
        files={"manifest.json": b"{}"},
    )
    assert NAME in dump(tmp_path / "runs.db")
    assert list(files.rglob("manifest.json"))

    registry.delete_adapter(ADAPTER)

    assert registry.runs() == ()
    assert MlflowClient(uri).get_run(run).info.lifecycle_stage == "deleted"
    assert MlflowClient(uri).get_run(run).info.run_name == ADAPTER
    assert NAME not in dump(tmp_path / "runs.db")
    assert not list(files.rglob("manifest.json"))
    registry.delete_adapter(ADAPTER)  # there is none any more


def dump(path: Path) -> str:
    """Every row of MLflow's database."""
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())
