"""`manage.py ledger verify` and `rebuild`: exit status for scripts, words for people, JSON for machines."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from sqlalchemy import text

from adapters_core.ledger.checkpoints import latest_checkpoint
from tests.factories.installations import Place
from tests.ledger_attacker import owner, unguarded

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


def test_a_search_index_that_was_changed_is_made_anew_from_the_entries(place: Place) -> None:
    with owner(_address(place)) as db:
        db.execute(text("UPDATE index_slots SET title = 'another'"))
        db.execute(text("DELETE FROM index_entries WHERE seq = 3"))
    with pytest.raises(CommandError, match="2 findings"):
        verified()
    with place.ledger.read() as reader:
        before, size = reader.connection.execute(text("SELECT max(leaf_hash), count(*) FROM entries")).one()

    out = io.StringIO()
    call_command("ledger", "rebuild", stdout=out)

    assert f"from {size} entries" in out.getvalue()
    assert json.loads(verified("--json"))["ok"]
    with place.ledger.read() as reader:
        after = reader.connection.execute(text("SELECT max(leaf_hash), count(*) FROM entries")).one()
    assert tuple(after) == (before, size)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("slot:created", "incident:closed", "entry .* could not happen .* put back a backup"),
        ("{", "no entry", "entry"),
    ],
)
def test_no_index_is_made_of_entries_that_could_not_happen(place: Place, old: str, new: str, said: str) -> None:
    with unguarded(_address(place)) as db:
        change = text("UPDATE entries SET body = replace(body, :old, :new) WHERE body LIKE '%slot:created%'")
        db.execute(change, {"old": old, "new": new})

    with pytest.raises(CommandError, match=said) as refused:
        call_command("ledger", "rebuild")

    assert refused.value.returncode == 3
    with place.ledger.read() as reader:
        assert reader.connection.execute(text("SELECT count(*) FROM index_slots")).scalar() == 1


def _address(place: Place) -> str:
    return f"sqlite:///{place.folder / 'ledger.sqlite3'}"
