from pathlib import Path

import pytest

from adapters_core.errors import ConfigError
from adapters_core.service.settings import ServiceSettings, read_token, require_safe_binding

TOKEN = "sixteen-or-more-characters"


def test_a_token_comes_from_a_file_before_the_environment(tmp_path: Path) -> None:
    file, named = tmp_path / "token", tmp_path / "named"
    file.write_text(f"{TOKEN}-file\n")
    named.write_text(f"{TOKEN}-named\n")
    environ = {"RINGI_TOKEN": TOKEN, "RINGI_TOKEN_FILE": str(named)}

    assert read_token(environ, file) == f"{TOKEN}-file"
    assert read_token(environ) == f"{TOKEN}-named"
    assert read_token({"RINGI_TOKEN": TOKEN}) == TOKEN
    assert read_token({}) is None
    assert read_token({"RINGI_TOKEN": " "}) is None


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 20])
def test_a_token_file_without_a_token_is_an_error_and_never_no_token(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match="token"):
        read_token({}, file)
    with pytest.raises(ConfigError, match="token"):
        read_token({"RINGI_TOKEN_FILE": str(tmp_path / "none")})


def test_without_a_token_a_service_listens_on_loopback_only_and_only_when_told(tmp_path: Path) -> None:
    require_safe_binding("0.0.0.0", TOKEN, allow_anonymous=False)  # noqa: S104  # what is tested
    require_safe_binding("127.0.0.1", None, allow_anonymous=True)
    with pytest.raises(ConfigError, match="needs a token"):
        require_safe_binding("127.0.0.1", None, allow_anonymous=False)
    with pytest.raises(ConfigError, match="only, got"):
        require_safe_binding("0.0.0.0", None, allow_anonymous=True)  # noqa: S104  # as above
    assert TOKEN not in repr(ServiceSettings(store=tmp_path, token=TOKEN))


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "short"},
        {"token": "long enough but with spaces"},
        {"token": "稟議稟議稟議稟議稟議稟議稟議稟議"},
        {"model_name": "a b"},
        {"body_bytes": 0},
        {"concurrent_requests": 0},
        {"resident_adapters": 0},
        {"drain_seconds": -1},
        {"drain_seconds": float("nan")},
    ],
)
def test_values_out_of_bounds_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ServiceSettings(store=tmp_path, **fields)  # type: ignore[arg-type]
