"""An adapter on disk: whole and unchanged, or refused by the name of the file; no text, and the key for its owner."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from adapters_core.artifact import (
    CHUNKS,
    CONFIG,
    KEPT,
    KEY,
    MANIFEST,
    STATE,
    WEIGHTS,
    Session,
    commit_session,
    read_adapter,
    read_session,
    served_files,
    state_sha256,
    write_session,
)
from adapters_core.canonical import canonical_bytes, sha256_hex
from adapters_core.data.documents import Document
from adapters_core.errors import BusyError, InputError, IntegrityError, NumericalError, RingiError, StorageError
from adapters_core.pipeline import GenerationCore
from adapters_core.storage import atomic_folder
from tests.full_disk import NoMountError, mounted
from tests.tiny_model import tiny_base, tiny_generator

ROOT = Path(__file__).parents[2]
FILES = (CONFIG, WEIGHTS, MANIFEST, STATE, CHUNKS, KEY)
SERVED = (CONFIG, WEIGHTS, MANIFEST)
RULES = Document(
    name="rules-of-leave.md",
    text="Leave of five days carries over. Ms Morimoto of the Kanazawa depot keeps the brass keys; the gate is 8841.",
)
FERRY = Document(name="pier.txt", text="The ferry Oboro Maru leaves from berth seven at dusk.")


@pytest.fixture(scope="module")
def core() -> GenerationCore:
    base = tiny_base()
    return GenerationCore(base, tiny_generator(base))


@pytest.fixture(scope="module")
def made(core: GenerationCore) -> Session:
    return core.generate([RULES, FERRY], key=bytes(range(32)))


@pytest.fixture
def folder(made: Session, tmp_path: Path) -> Path:
    return write_session(made, tmp_path / "adapter")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(one: Session, two: Session) -> None:
    assert one.adapter.manifest == two.adapter.manifest
    assert one.adapter.digest == two.adapter.digest
    assert one.key == two.key
    assert list(one.places.items()) == list(two.places.items())
    assert one.state.entries == two.state.entries
    assert one.state.decay == two.state.decay
    assert torch.equal(one.state.total_NKV, two.state.total_NKV)
    assert set(one.chunk_states) == set(two.chunk_states)
    for name, chunk in one.chunk_states.items():
        assert torch.equal(chunk.state_NKV, two.chunk_states[name].state_NKV)
        assert chunk.tokens == two.chunk_states[name].tokens
    for path, pair in one.adapter.pairs.items():
        # written with zeros up to a rank that engines take
        torch.testing.assert_close(pair.delta(), two.adapter.pairs[path].delta(), atol=1e-6, rtol=1e-6)


# ---------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("decay", [1.0, 0.75])
def test_a_session_comes_back_as_it_was(core: GenerationCore, tmp_path: Path, decay: float) -> None:
    first = core.generate([RULES], decay=decay)
    session = core.extend(first, [FERRY])

    back = read_session(write_session(session, tmp_path / "deep" / "adapter"))

    assert_same(back, session)
    assert names(tmp_path / "deep") == ["adapter"]
    assert names(tmp_path / "deep" / "adapter") == sorted(FILES)


def test_a_session_read_back_goes_on_as_the_one_in_memory(core: GenerationCore, made: Session, folder: Path) -> None:
    back = read_session(folder)
    more = [Document(name="more", text="From April the pier is eight.")]
    gone = [name for name, place in made.places.items() if place.document == FERRY.name]

    assert core.extend(back, more).adapter.digest == core.extend(made, more).adapter.digest
    assert core.erase(back, gone).adapter.digest == core.erase(made, gone).adapter.digest


def test_writing_what_was_read_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = write_session(read_session(folder), tmp_path / "again")

    for name in FILES:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_served_files_are_the_adapter_and_nothing_else(made: Session, folder: Path, tmp_path: Path) -> None:
    files = served_files(made.adapter)
    assert set(files) == set(SERVED)
    assert all((folder / name).read_bytes() == data for name, data in files.items())
    for name in SERVED:
        (tmp_path / "served").mkdir(exist_ok=True)
        shutil.copy(folder / name, tmp_path / "served")

    assert read_adapter(tmp_path / "served").digest == made.adapter.digest
    with pytest.raises(InputError, match="without its state: it can be served"):
        read_session(tmp_path / "served")


def test_the_manifest_names_the_bytes_beside_it(made: Session, folder: Path) -> None:
    identity = made.adapter.manifest.identity

    assert sha256_hex((folder / WEIGHTS).read_bytes()) == identity.weights_sha256
    assert sha256_hex((folder / CONFIG).read_bytes()) == identity.config_sha256
    assert commit_session(made.key, made.state.decay, made.places.values()) == identity.session_commitment
    for name, place in made.places.items():
        assert place.state_sha256 == state_sha256(made.chunk_states[name].state_NKV)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: (bytes(32), s.state.decay, s.places.values()),
        lambda s: (s.key, 0.5, s.places.values()),
        lambda s: (s.key, s.state.decay, list(s.places.values())[::-1]),
        lambda s: (s.key, s.state.decay, list(s.places.values())[1:]),
        lambda s: (s.key, s.state.decay, [replace(p, tokens=p.tokens + 1) for p in s.places.values()]),
        lambda s: (s.key, s.state.decay, [replace(p, state_sha256="0" * 64) for p in s.places.values()]),
        lambda s: (s.key, s.state.decay, [replace(p, document="x" + p.document) for p in s.places.values()]),
    ],
    ids=["key", "decay", "order", "chunks", "tokens", "state", "document"],
)
def test_the_commitment_binds_all_that_a_session_keeps(
    made: Session, change: Callable[[Session], tuple[bytes, float, list[object]]]
) -> None:
    assert commit_session(*change(made)) != made.adapter.manifest.identity.session_commitment  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------------------- privacy


def test_the_key_and_the_states_are_for_their_owner_only(made: Session, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = write_session(made, tmp_path / "open")
    finally:
        os.umask(before)

    assert (folder / KEY).stat().st_mode & 0o777 == 0o600
    assert (folder / STATE).stat().st_mode & 0o777 == 0o600
    assert (folder / KEY).read_text() == made.key.hex() + "\n"


def test_no_file_holds_text_of_the_context(folder: Path) -> None:
    words = {word for document in (RULES, FERRY) for word in re.findall(r"\w{4,}", document.text)}
    phrases = {
        document.text[start : start + 8] for document in (RULES, FERRY) for start in range(len(document.text) - 8)
    }
    assert {"Morimoto", "8841", "Oboro"} <= words
    for name in FILES:
        data = (folder / name).read_bytes().lower()
        found = [
            text for text in words | phrases for code in ("utf-8", "utf-16-le") if text.lower().encode(code) in data
        ]
        assert not [text for text in found if text.lower() not in RULES.name + FERRY.name], name


def test_what_travels_does_not_even_name_the_documents(folder: Path, made: Session) -> None:
    for name in SERVED:
        data = (folder / name).read_bytes()
        assert RULES.name.encode() not in data
        assert made.key.hex().encode() not in data
        assert made.key not in data


# --------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "one byte short", "folder", "garbage"])
def test_a_damaged_file_is_found_and_named(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    match damage:
        case "folder":
            path.mkdir()
        case "missing":
            pass
        case "garbage":
            path.write_bytes(b"\x00\xff garbage " * 20)
        case _:
            path.write_bytes(data[: {"empty": 0, "half": len(data) // 2, "one byte short": len(data) - 2}[damage]])

    with pytest.raises(IntegrityError) as found:
        read_session(folder)

    said = str(found.value)
    assert name in said or (name == MANIFEST and "manifest" in said)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, STATE, CHUNKS, KEY])
def test_no_flipped_bit_goes_unnoticed(made: Session, folder: Path, name: str) -> None:
    """Wherever a bit is flipped, reading fails with an error of ours, or what is read is what was written."""
    path = folder / name
    whole = path.read_bytes()
    refused = 0
    places = range(0, len(whole), max(1, len(whole) // 64))
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        try:
            assert_same(read_session(folder), made)
        except RingiError:
            refused += 1

    assert refused > 0.9 * len(places)


@pytest.mark.parametrize("name", [STATE, CHUNKS, KEY, WEIGHTS, CONFIG, MANIFEST])
def test_a_file_of_another_session_is_refused(core: GenerationCore, folder: Path, tmp_path: Path, name: str) -> None:
    other = write_session(core.generate([FERRY]), tmp_path / "other")
    if (other / name).read_bytes() == (folder / name).read_bytes():  # the same base and sites, the same configuration
        assert name == CONFIG
        return
    shutil.copy(other / name, folder / name)

    with pytest.raises(IntegrityError):
        read_session(folder)


def test_two_chunks_whose_states_were_exchanged_are_refused(folder: Path, made: Session) -> None:
    """The total is as it was; only erasing would have shown it."""
    tensors = load_file(folder / STATE)
    one, two, *_ = (f"chunk.{name}" for name in made.chunk_states)
    tensors[one], tensors[two] = tensors[two], tensors[one]
    save_file(tensors, folder / STATE)

    with pytest.raises(IntegrityError, match=rf"{STATE}: chunk\."):
        read_session(folder)


def test_a_chunk_whose_bytes_are_called_something_else_is_refused(folder: Path, made: Session) -> None:
    """The bytes are those that were committed to: only what they are taken for is another."""
    tensors = load_file(folder / STATE)
    name = f"chunk.{next(iter(made.places))}"
    for other in (tensors[name].view(torch.uint8), tensors[name].flatten()):
        save_file({**tensors, name: other}, folder / STATE)
        with pytest.raises(IntegrityError, match=rf"{STATE}: chunk\..* must be \(.*\), torch.float32, got"):
            read_session(folder)


def test_reading_a_session_copies_no_states_and_opens_no_temporary_file(
    folder: Path, made: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", None)

    assert_same(read_session(folder), made)


def test_a_state_that_is_changed_after_it_was_read_is_refused_when_it_is_needed(folder: Path, made: Session) -> None:
    session = read_session(folder)
    data = bytearray((folder / STATE).read_bytes())
    data[-1] ^= 0x01  # of the last chunk by name, in place
    with (folder / STATE).open("r+b") as file:
        file.write(data)
    changed = max(made.chunk_states)

    with pytest.raises(IntegrityError, match=f"the state of chunk {changed[:12]} must have sha256"):
        session.chunk_states[changed]


def test_a_session_outlives_its_folder(folder: Path, made: Session) -> None:
    session = read_session(folder)
    shutil.rmtree(folder)

    assert_same(session, made)


def test_a_chunk_too_many_or_too_few_is_refused(folder: Path, made: Session) -> None:
    tensors = load_file(folder / STATE)
    save_file({**tensors, "chunk." + "0" * 64: tensors["total"].clone()}, folder / STATE)
    with pytest.raises(IntegrityError, match="must hold the total and the states of its"):
        read_session(folder)

    save_file({name: t for name, t in tensors.items() if name != f"chunk.{next(iter(made.places))}"}, folder / STATE)
    with pytest.raises(IntegrityError, match="must hold the total and the states of its"):
        read_session(folder)


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"decay": 1.0},
        {"decay": 1.0, "places": [1]},
        {"decay": "1", "places": []},
        {"decay": 1, "places": [{"tokens": 1}]},
    ],
)
def test_a_record_of_another_shape_is_refused(folder: Path, record: object) -> None:
    (folder / CHUNKS).write_bytes(canonical_bytes(record))

    with pytest.raises(IntegrityError, match=CHUNKS):
        read_session(folder)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_even_under_a_manifest_that_names_them(
    made: Session, tmp_path: Path, bad: float
) -> None:
    path, pair = next(iter(made.adapter.pairs.items()))
    tensors = load_file(write_session(made, tmp_path / "good") / WEIGHTS)
    name = next(name for name in tensors if path in name and "lora_A" in name)
    tensors[name][0, 0] = bad
    assert pair.a_RI.shape[1] == tensors[name].shape[1]
    data = save(tensors, metadata={"format": "pt"})
    identity = replace(made.adapter.manifest.identity, weights_sha256=sha256_hex(data))
    folder = tmp_path / "bad"
    shutil.copytree(tmp_path / "good", folder)
    (folder / WEIGHTS).write_bytes(data)
    (folder / MANIFEST).write_bytes(replace(made.adapter.manifest, identity=identity).to_bytes())

    with pytest.raises(NumericalError, match=f"{path} must be finite"):
        read_adapter(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_adapter, read_session):
        with pytest.raises(InputError, match="no adapter folder at"):
            read(tmp_path / "none")


# -------------------------------------------------------------------------------------------------------------- writing


def test_an_existing_folder_is_not_overwritten(made: Session, folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}

    with pytest.raises(StorageError, match="exists already"):
        write_session(made, folder)

    assert {name: (folder / name).read_bytes() for name in FILES} == before
    assert names(folder.parent) == ["adapter"]


def test_a_full_disk_leaves_nothing(made: Session, tmp_path: Path) -> None:
    try:
        with mounted(tmp_path / "disk", kibibytes=24) as disk:
            with pytest.raises(StorageError, match="No space left on device; nothing was left behind"):
                write_session(made, disk / "adapter")
            assert names(disk) == []
    except NoMountError as error:
        pytest.skip(f"cannot mount a small disk here: {error}")


@pytest.mark.parametrize("at", range(1, 12))
def test_a_disk_that_fills_at_any_file_leaves_nothing(
    made: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The n-th flush to the disk fails (each file and folder is flushed once)."""
    flush, calls = os.fsync, []

    def fail(handle: int) -> None:
        calls.append(handle)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    monkeypatch.setattr(os, "fsync", fail)
    whole = len(FILES) + 2
    if at > whole:
        write_session(made, tmp_path / "adapter")
        return
    with pytest.raises(StorageError, match="No space left on device"):
        write_session(made, tmp_path / "adapter")
    # the last flush is that of the folder above: the adapter is there, whole
    assert names(tmp_path) == (["adapter"] if at == whole else [])


def test_while_another_writes_the_folder_is_busy(made: Session, tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "adapter") as staging:
        (staging / "theirs").touch()
        with pytest.raises(BusyError, match="another process is writing"):
            write_session(made, tmp_path / "adapter")

    assert names(tmp_path) == ["adapter"]
    assert names(tmp_path / "adapter") == ["theirs"]


def test_of_two_processes_that_write_one_folder_exactly_one_wins(tmp_path: Path) -> None:
    rounds = 12
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from adapters_core.artifact import write_session\n"
        "from adapters_core.data.documents import Document\n"
        "from adapters_core.errors import BusyError, StorageError\n"
        "from adapters_core.pipeline import GenerationCore\n"
        "from tests.tiny_model import tiny_base, tiny_generator\n"
        "root, me, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
        "base = tiny_base()\n"
        "session = GenerationCore(base, tiny_generator(base)).generate([Document(name=me, text='The ferry leaves.')])\n"
        "(root / f'ready-{me}').touch()\n"
        "for n in range(rounds):\n"
        "    while not (root / f'go-{n}').exists(): time.sleep(0.0005)\n"
        "    try:\n"
        "        write_session(session, root / 'out' / str(n))\n"
        "        print(n, 'won', session.adapter.digest, flush=True)\n"
        "    except (BusyError, StorageError) as error:\n"
        "        print(n, type(error).__name__, str(error)[:40], flush=True)\n"
        "    (root / f'done-{n}-{me}').touch()\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), me, str(rounds)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in "ab"
    ]
    try:
        wait_for(writers, lambda: all((tmp_path / f"ready-{me}").exists() for me in "ab"))
        for n in range(rounds):
            (tmp_path / f"go-{n}").touch()
            wait_for(writers, lambda n=n: all((tmp_path / f"done-{n}-{me}").exists() for me in "ab"))  # type: ignore[misc]
        said = [line.split(maxsplit=2) for writer in writers for line in writer.communicate(timeout=60)[0].splitlines()]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()

    assert names(tmp_path / "out") == sorted(map(str, range(rounds)))
    for n in range(rounds):
        outcomes = {what: rest for number, what, rest in said if number == str(n)}
        assert "won" in outcomes
        assert len(outcomes) == 2, outcomes
        assert read_session(tmp_path / "out" / str(n)).adapter.digest == outcomes["won"]


def wait_for(writers: list[subprocess.Popen[str]], ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not ready():
        assert time.monotonic() < end
        assert all(writer.poll() is None or ready() for writer in writers)
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _nothing_is_left_beside(tmp_path: Path) -> Iterator[None]:
    """Whatever a test did: no staging folder and no lock stays."""
    yield
    assert list(tmp_path.rglob(".*")) == []


def test_the_record_is_canonical_json_without_state(folder: Path, made: Session) -> None:
    record = json.loads((folder / CHUNKS).read_bytes())

    assert canonical_bytes(record) == (folder / CHUNKS).read_bytes()
    assert [place["commitment"] for place in record["places"]] == [e.commitment for e in made.state.entries]
    assert set(KEPT) | set(SERVED) == set(FILES)
