"""Sessions on disk and names that are given once."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import InputError, IntegrityError, MismatchError, StorageError, UnknownAdapterError
from adapters_core.service.names import LoadedName, NameRegistry
from adapters_core.service.store import SessionStore
from tests.tiny_service import FERRY, KEY, TEA, tiny_core


def record(name: str = "slot-1", digest: str = "a" * 64) -> LoadedName:
    return LoadedName(name=name, digest=digest, path="/adapters/x", loaded_at=7)


def together(count: int, work: Callable[[int], None]) -> None:
    barrier = threading.Barrier(count)

    def run(place: int) -> None:
        barrier.wait()
        work(place)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_session_is_written_once_however_many_write_it(tmp_path: Path) -> None:
    core = tiny_core()
    sessions = [core.generate([Document(**FERRY)], key=bytes.fromhex(KEY)) for _ in range(4)]
    stores = [SessionStore(tmp_path) for _ in sessions]  # as replicas are: nothing shared but the folder
    created: list[bool] = []

    together(4, lambda place: created.append(stores[place].write(sessions[place])))

    digest = sessions[0].adapter.digest
    assert sorted(created) == [False, False, False, True]
    assert [path.name for path in (tmp_path / "adapters").iterdir() if not path.name.startswith(".")] == [digest]
    assert stores[0].read(digest).state.sha256() == sessions[0].state.sha256()


def test_a_folder_with_another_adapter_in_it_is_damage(tmp_path: Path) -> None:
    core, store = tiny_core(), SessionStore(tmp_path)
    digest = core.generate([Document(**FERRY)]).adapter.digest
    other = core.generate([Document(**TEA)])
    store.write(other)
    store.path(other.adapter.digest).rename(tmp_path / "adapters" / digest)

    with pytest.raises(IntegrityError, match="holds"):
        store.read(digest)


def test_what_is_removed_is_gone_and_can_be_written_again(tmp_path: Path) -> None:
    core, store = tiny_core(), SessionStore(tmp_path)
    session = core.generate([Document(**FERRY)])
    store.write(session)

    store.delete(session.adapter.digest)

    with pytest.raises(UnknownAdapterError):
        store.read(session.adapter.digest)
    with pytest.raises(UnknownAdapterError):
        store.delete(session.adapter.digest)
    assert store.write(session)


def test_a_store_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for kind in (SessionStore, NameRegistry):
        with pytest.raises(StorageError, match="must be a folder"):
            kind(tmp_path / "file")


def test_a_name_stands_for_one_adapter(tmp_path: Path) -> None:
    names = NameRegistry(tmp_path)

    assert names.give(record()) == record()
    assert names.give(record()) == record()
    with pytest.raises(MismatchError, match="given once"):
        names.give(record(digest="b" * 64))
    assert NameRegistry(tmp_path).find("slot-1") == record()
    assert list(names.all()) == [record()]


def test_of_two_replicas_that_give_a_name_one_is_refused(tmp_path: Path) -> None:
    for place in range(20):
        given: list[str] = []

        def give(which: int, name: str = f"slot-{place}", found: list[str] = given) -> None:
            try:
                found.append(NameRegistry(tmp_path).give(record(name, "ab"[which] * 64)).digest)
            except MismatchError:
                found.append("refused")

        together(2, give)

        kept = NameRegistry(tmp_path).find(f"slot-{place}")
        assert kept is not None
        assert sorted(given) == sorted([kept.digest, "refused"])


def test_a_name_that_is_taken_back_is_free(tmp_path: Path) -> None:
    names = NameRegistry(tmp_path)
    names.give(record())

    assert names.take_back("slot-1")
    assert not names.take_back("slot-1")
    assert names.find("slot-1") is None
    assert names.give(record(digest="b" * 64)).digest == "b" * 64


@pytest.mark.parametrize("name", ["", "..", "a/b", ".x", "-", "x" * 129, "ä", "a\n"])
def test_what_is_no_name_is_never_a_file(tmp_path: Path, name: str) -> None:
    names = NameRegistry(tmp_path)

    with pytest.raises(InputError, match="must match"):
        names.give(record(name))
    assert names.find(name) is None
    assert not names.take_back(name)
    assert list((tmp_path / "names").iterdir()) == []


def test_a_damaged_record_is_told_and_can_be_taken_back(tmp_path: Path) -> None:
    names = NameRegistry(tmp_path)
    names.give(record())
    names.give(record("slot-2"))
    (tmp_path / "names" / "slot-1.json").write_text(json.dumps({"name": "slot-1"}))

    with pytest.raises(IntegrityError, match="damaged"):
        names.find("slot-1")
    assert [one.name for one in names.all()] == ["slot-2"]
    assert names.take_back("slot-1")
