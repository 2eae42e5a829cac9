"""Every import contract of pyproject.toml, shown once to catch its violation.

A contract that cannot fail guards nothing: a wrong module name in it would go unseen. So each is run against a copy of
the package in which one forbidden import has been planted.
"""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
RUN = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
VIOLATIONS = {
    "layers": {"errors.py": "import adapters_core.modeling.polar"},
    "no-cycles": {
        "modeling/one.py": "import adapters_core.modeling.two",
        "modeling/two.py": "import adapters_core.modeling.one",
    },
    "no-web": {"storage.py": "import django.db"},
    "mlflow-in-one-place": {"tracking/other_store.py": "import mlflow"},
    "sqlalchemy-in-ledger": {"tracking/rows.py": "import sqlalchemy"},
    "tables-private": {"pipeline.py": "from adapters_core.ledger.tables import entries"},
    "light-ledger": {"ledger/events.py": "import torch"},
    "ray-in-one-place": {"service/other.py": "from ray import serve"},
    "web-layers": {"governance/policy/rules.py": "import governance.views.errors"},
    "light-web": {"governance/views/health.py": "import adapters_core.modeling.polar"},
    "pure-policy": {"governance/policy/rules.py": "import django.db"},
    "light-modules": {"manifest.py": "import torch"},
}


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter with one contract in a folder."""
    return subprocess.run(
        [*RUN, "--no-logo", "--no-cache", "--contract", contract],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "adapters_core", tmp_path / "adapters_core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "governance", tmp_path / "governance", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_has_a_planted_violation() -> None:
    assert set(VIOLATIONS) == set(CONTRACTS)


@pytest.mark.parametrize("contract", sorted(VIOLATIONS))
def test_a_contract_holds_until_it_is_violated(copy: Path, contract: str) -> None:
    name = CONTRACTS[contract]["name"]
    assert f"{name} KEPT" in lint(copy, contract).stdout

    for path, line in VIOLATIONS[contract].items():
        package = copy if path.startswith("governance/") else copy / "adapters_core"
        with (package / path).open("a") as module:
            module.write(f"\n{line}\n")
    broken = lint(copy, contract)

    assert broken.returncode == 1
    assert f"{name} BROKEN" in broken.stdout


def test_a_module_without_a_layer_is_named(copy: Path) -> None:
    (copy / "adapters_core" / "stray.py").touch()

    broken = lint(copy, "layers")

    assert broken.returncode == 1
    assert "adapters_core.stray" in broken.stdout


@pytest.mark.parametrize("module", CONTRACTS["light-modules"]["source_modules"])
def test_a_light_module_starts_without_torch(module: str) -> None:
    heavy = CONTRACTS["light-modules"]["forbidden_modules"]
    script = f"import sys, {module}; sys.exit(', '.join({set(heavy)} & sys.modules.keys()) or 0)"

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_package_files_stay_empty() -> None:
    packages = [ROOT / "adapters_core", ROOT / "governance"]
    filled = [path for package in packages for path in package.rglob("__init__.py") if path.stat().st_size]

    assert filled == []


def test_the_source_holds_no_assert() -> None:
    sources = [path for name in ("adapters_core", "governance") for path in (ROOT / name).rglob("*.py")]
    asserting = [
        str(path.relative_to(ROOT))
        for path in sources
        if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    ]

    assert asserting == []
