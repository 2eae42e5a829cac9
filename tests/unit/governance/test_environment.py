"""What the surroundings may say, and what is refused in production."""

import stat
from pathlib import Path

import pytest

from adapters_core.errors import ConfigError
from governance.environment import database_settings, read_environment

SAFE = {
    "RINGI_DEBUG": "0",
    "RINGI_SECRET_KEY": "abcde" * 10,
    "RINGI_ALLOWED_HOSTS": "ringi.example",
    "RINGI_ADDRESS": "https://ringi.example",
}


def test_nothing_needs_to_be_set_on_one_machine(tmp_path: Path) -> None:
    environment = read_environment({}, root=tmp_path)

    assert environment.debug
    assert environment.var == tmp_path / "var"
    assert environment.ledger_url == f"sqlite:///{tmp_path}/var/ledger.sqlite3"
    assert environment.time_zone == "Asia/Tokyo"


def test_the_secret_is_drawn_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    first, second = (read_environment({}, root=tmp_path).secret_key for _ in range(2))

    assert first == second
    assert len(first) >= 50
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_another_machine_draws_another_secret(tmp_path: Path) -> None:
    assert read_environment({}, root=tmp_path / "a").secret_key != read_environment({}, root=tmp_path / "b").secret_key


def test_production_takes_settings_that_are_safe(tmp_path: Path) -> None:
    environment = read_environment(SAFE, root=tmp_path)

    assert not environment.debug
    assert environment.allowed_hosts == ("ringi.example",)
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("RINGI_SECRET_KEY", "", "RINGI_SECRET_KEY must hold at least 50 characters, got 0"),
        ("RINGI_SECRET_KEY", "short", "RINGI_SECRET_KEY must hold at least 50 characters, got 5"),
        ("RINGI_ALLOWED_HOSTS", "", "RINGI_ALLOWED_HOSTS must name the hosts"),
        ("RINGI_ALLOWED_HOSTS", "*", "RINGI_ALLOWED_HOSTS must name the hosts"),
        ("RINGI_ADDRESS", "http://ringi.example", "RINGI_ADDRESS must begin with https://"),
    ],
)
def test_production_refuses_what_is_unsafe(tmp_path: Path, name: str, value: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace("(", r"\(")):
        read_environment({**SAFE, name: value}, root=tmp_path)


def test_everything_unsafe_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_environment({"RINGI_DEBUG": "0"}, root=tmp_path)

    assert str(refused.value).count("RINGI_") == 4  # debug itself, the key, the hosts, the address


@pytest.mark.parametrize("text", ["maybe", "2", "ja"])
def test_a_flag_is_one_or_zero(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="RINGI_DEBUG must be 1 or 0"):
        read_environment({"RINGI_DEBUG": text}, root=tmp_path)


def test_a_sign_on_is_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing: OIDC_CLIENT_SECRET"):
        read_environment({"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "ringi"}, root=tmp_path)


def test_people_can_live_in_postgresql() -> None:
    settings = database_settings("postgresql://ringi:p%40ss@db.example:5433/web")

    assert settings["PASSWORD"] == "p@ss"
    assert (settings["NAME"], settings["HOST"], settings["PORT"]) == ("web", "db.example", 5433)


@pytest.mark.parametrize("url", ["mysql://a/b", "sqlite://", "postgresql://host", "web.sqlite3"])
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL must be"):
        database_settings(url)


@pytest.mark.parametrize("value", ["5", "0", "-7", "many", "７"])
def test_fewer_answers_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="RINGI_ANSWERED_QUESTIONS must be a whole number of at least 6"):
        read_environment({"RINGI_ANSWERED_QUESTIONS": value}, root=tmp_path)


def test_as_many_answers_as_are_wanted(tmp_path: Path) -> None:
    assert read_environment({"RINGI_ANSWERED_QUESTIONS": "12"}, root=tmp_path).answered_questions == 12
