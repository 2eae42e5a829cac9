"""ringi serve: every setting can be given, and what cannot be served is refused before a model is loaded."""

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from adapters_core.cli.main import main, parser
from adapters_core.cli.serving import LIMITS, settings_of
from adapters_core.service.settings import ServiceSettings

TOKEN = "a-token-of-enough-length"
NO_MODEL = ["--base", "/nothing/here"]
"""Loading this one fails, so another error shows that nothing was loaded yet."""


def settings(*arguments: str) -> ServiceSettings:
    return settings_of(parser().parse_args(["serve", *arguments]))


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RINGI_TOKEN", "RINGI_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_without_options_the_settings_are_their_defaults(tmp_path: Path) -> None:
    assert settings("--store", str(tmp_path)) == ServiceSettings(store=tmp_path)


def test_every_setting_can_be_given(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    limits = [text for name in LIMITS for text in ("--" + name.replace("_", "-"), "7")]
    folders = ["--store", str(tmp_path / "s"), "--adapters", str(tmp_path), "--context-root", str(tmp_path)]
    others = ["--model-name", "base", "--token-file", str(token), "--drain-seconds", "3.5"]

    given = settings(*folders, *limits, *others, "--foreign-adapters", "--batch-generation")

    unchanged = [f.name for f in fields(ServiceSettings) if getattr(given, f.name) == f.default]
    assert unchanged == []
    assert {getattr(given, name) for name in LIMITS} == {7}
    assert (given.token, given.context_root, given.adapter_roots) == (TOKEN, tmp_path, (tmp_path,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the service needs a token"),
        (["--insecure-loopback", "--host", "192.0.2.1"], "without a token the service listens on"),
        (["--insecure-loopback", "--drain-seconds", "-1"], "drain_seconds must not be negative"),
        (["--token-file", "/nothing"], "the token file /nothing must be readable"),
        (["--insecure-loopback", "--model-name", "a b"], "model_name must match"),
    ],
)
def test_what_cannot_be_served_is_refused_before_the_model_is_loaded(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments, *NO_MODEL]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_refused_by_the_option(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--insecure-loopback", "--port", port, *NO_MODEL])
    assert ended.value.code == 2
    assert "argument --port: must be a whole number from 0 to 65535" in capsys.readouterr().err


def test_ray_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "adapters_core.service.ray_serve", raising=False)
    assert main(["serve", "--insecure-loopback", "--ray", *NO_MODEL]) == 2
    assert "pip install 'ringi[cluster]'" in capsys.readouterr().err
