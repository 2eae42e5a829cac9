"""What a real llama.cpp server keeps of an adapter that is deleted: its file goes, its memory is told of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters_core.export.gguf_format import write_gguf_lora
from adapters_core.ledger import adapter_queries, outbox_queries, queries
from adapters_core.ledger.records import Subject
from adapters_core.service.loading import read_gated
from governance.engines.registry import Engines
from governance.services.erase_context import erase_context
from governance.worker import deleting
from governance.worker.delivering import deliver_some
from governance.worker.workplace import Workplace
from tests.cast import HANAKO
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import TEA, generated
from tests.gguf_base import write_gguf_base
from tests.llama_cpp_server import llama_cpp_server

pytestmark = pytest.mark.engine("xllamacpp")


def converted(core: RunningCore, digest: str, folder: Path) -> Path:
    """An adapter as llama.cpp reads it."""
    folder.mkdir(exist_ok=True)
    _digest, pairs = read_gated(core.store / "adapters" / digest, core.core.base)
    write_gguf_lora(folder / f"{digest}.gguf", pairs, core.core.base)
    return folder / f"{digest}.gguf"


@contextmanager
def served(at: Workplace, core: RunningCore, files: list[Path], folder: Path) -> Iterator[Workplace]:
    """A worker's tools with a llama.cpp server that was started with these files."""
    write_gguf_base(folder / "base.gguf", core.core.base)
    with llama_cpp_server(folder / "base.gguf", files, folder / "log") as server:
        urls = {"core": f"vllm+{core.url}", "llama": f"llamacpp+{server.client.base_url}".rstrip("/")}
        engines = Engines(urls, {"core": core.token})
        yield replace(at, engines=engines)
        engines.close()


def erase(place: Place, digest: str) -> None:
    with place.ledger.read() as db:
        (context,) = adapter_queries.contexts_of_adapter(db, digest)
    erase_context(place.actor(HANAKO), context=context, legal_basis="APPI 35")


def deletion(place: Place, digest: str) -> dict[str, Any] | None:
    """What the ledger says of it; None before it is done."""
    with place.ledger.read() as db:
        last = queries.history(db, Subject(kind="adapter", id=digest))[-1]
    return dict(last.data) if last.event == "adapter:artifact_deleted" else None


def test_the_file_goes_and_the_entry_says_who_has_it_in_memory(
    place: Place, at: Workplace, core: RunningCore, tmp_path: Path
) -> None:
    gone, kept = generated(place, at), generated(place, at, TEA)
    files = [converted(core, digest, tmp_path / "llama") for digest in (gone, kept)]
    with served(at, core, files, tmp_path) as tools:
        erase(place, gone)
        deliver_some(tools, (deleting.TOPIC,))

        assert [file.exists() for file in files] == [False, True]
        assert deletion(place, gone) == {"in_memory": ["llama"]}
        assert gone in {one.digest for one in tools.engines["llama"].residents()}


def test_a_file_beside_the_others_goes_too_where_the_server_was_started_without_it(
    place: Place, at: Workplace, core: RunningCore, tmp_path: Path
) -> None:
    gone, kept = generated(place, at), generated(place, at, TEA)
    files = [converted(core, digest, tmp_path / "llama") for digest in (gone, kept)]
    with served(at, core, files[1:], tmp_path) as tools:
        erase(place, gone)
        deliver_some(tools, (deleting.TOPIC,))

    assert [file.exists() for file in files] == [False, True]
    assert deletion(place, gone) == {"in_memory": []}


def test_what_cannot_be_reached_keeps_the_deletion_open_until_the_server_is_started_without_it(
    place: Place, at: Workplace, core: RunningCore, tmp_path: Path
) -> None:
    digest = generated(place, at)
    file = converted(core, digest, tmp_path / "llama")
    with served(at, core, [file], tmp_path) as tools:
        file.rename(tmp_path / "elsewhere.gguf")  # as on a machine of its own
        erase(place, digest)
        deliver_some(tools, (deleting.TOPIC,))
        with place.ledger.read() as db:
            (message,) = outbox_queries.find_messages(db, topics=(deleting.TOPIC,))

    assert message.state == "pending"
    assert "llama must be started without" in (message.error or "")
    assert deletion(place, digest) is None
    place.clock.forward(seconds=1)
    with served(at, core, [], tmp_path) as tools:
        deliver_some(tools, (deleting.TOPIC,))
    assert deletion(place, digest) == {"in_memory": []}
