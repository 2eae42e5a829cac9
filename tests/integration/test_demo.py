"""What ``make demo`` shows, on the real base with the shipped generator: small, but the whole way."""

import json
from pathlib import Path

import pytest

from adapters_core.cli.main import main

pytestmark = pytest.mark.base


def test_the_demo_makes_adapters_measures_them_and_keeps_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = ["demo", "--out", str(tmp_path), "--documents", "2", "--limit", "4", "--measure", "none"]
    assert main(demo) == 0
    shown = capsys.readouterr().out
    assert "adapter of a wrong" in shown.replace("\n", " ")
    assert f'ringi ask {tmp_path}/adapters/alloy-report "' in shown.split("try next")[1]
    manifests = {path: path.read_bytes() for path in tmp_path.glob("adapters/*/manifest.json")}
    assert len(manifests) == 2
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {m["method"] for m in report["report"]["methods"]} == {"none", "prompt", "adapter", "wrong"}
    assert list((tmp_path / "report").glob("*.svg"))

    assert main(demo) == 0
    assert {path: path.read_bytes() for path in tmp_path.glob("adapters/*/manifest.json")} == manifests
