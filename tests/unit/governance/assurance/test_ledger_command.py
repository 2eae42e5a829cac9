"""`manage.py ledger verify`: exit status for scripts, words for people, JSON for machines."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from adapters_core.ledger.checkpoints import latest_checkpoint
from tests.factories.installations import Place

pytestmark = pytest.mark.usefixtures("place")


def verified(*options: str) -> str:
    out = io.StringIO()
    call_command("ledger", "verify", *options, stdout=out)
    return out.getvalue()


def test_a_sound_ledger_ends_well() -> None:
    assert "V0       ok" in verified()


def test_the_report_is_there_as_json() -> None:
    report = json.loads(verified("--json", "--artifacts"))

    assert report["ok"]
    assert report["levels"] == ["V0", "V1", "guards", "indexes", "V3"]
    assert report["findings"] == []


def test_the_second_run_goes_on_where_the_first_ended() -> None:
    signed = json.loads(verified("--json"))["checkpoint"]

    assert json.loads(verified("--incremental", "--json"))["since"] == signed


def test_findings_end_with_status_three() -> None:
    with pytest.raises(CommandError, match="1 findings") as ended:
        verified("--serving")

    assert ended.value.returncode == 3


def test_a_checkpoint_kept_elsewhere_is_compared(place: Place, tmp_path: Path) -> None:
    with place.ledger.read() as reader:
        checkpoint = latest_checkpoint(reader)
    assert checkpoint is not None
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(checkpoint.envelope), encoding="utf-8")

    assert json.loads(verified("--json", "--anchor", str(kept)))["ok"]
    kept.write_text(json.dumps({**checkpoint.envelope, "signatures": []}), encoding="utf-8")
    with pytest.raises(CommandError):
        verified("--anchor", str(kept))


@pytest.mark.parametrize(("written", "status"), [("no json", 2), ("[]", 2), (None, 4)])
def test_an_anchor_that_is_none_is_refused(tmp_path: Path, written: str | None, status: int) -> None:
    kept = tmp_path / "kept.json"
    if written is not None:
        kept.write_text(written, encoding="utf-8")

    with pytest.raises(CommandError) as ended:
        verified("--anchor", str(kept))

    assert ended.value.returncode == status
