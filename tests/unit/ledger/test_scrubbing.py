"""What an erasure leaves in the files of the database itself, while somebody still reads and when nobody does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from adapters_core.errors import BusyError, StorageError
from adapters_core.ledger.scrubbing import scrub
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.transactions import WRITER_ROLE
from adapters_core.ledger.vault import (
    create_master_key,
    erase,
    is_sealed,
    load_master_key,
    open_text,
    seal_context,
    seal_text,
)
from adapters_core.ledger.work_tables import vault_keys, vault_texts
from tests.ledger_attacker import owner

TEXT = "The harbour master drinks it black. " * 400
"""Longer than a page: PostgreSQL puts it beside the table."""


@pytest.fixture
def url(each_url: str) -> str:
    return each_url


@pytest.fixture
def secrets(ledger: Ledger, tmp_path: Path) -> list[bytes]:
    """What lies in the vault of the context that is erased, ``gone``; ``kept`` stays."""
    master = create_master_key(tmp_path / "master.key")
    with ledger.write() as tx:
        for context in ("first", "gone", "kept"):
            seal_context(tx, master, context, context.encode() + TEXT.encode(), [])
            seal_text(tx, master, context, "answers", b"an answer")
    with ledger.read() as db:
        keys, texts = vault_keys.c, vault_texts.c
        found = list(db.connection.execute(vault_keys.select().where(keys.context == "gone")).scalars("wrapped"))
        found += db.connection.execute(vault_texts.select().where(texts.context == "gone")).scalars("sealed")
    with ledger.write() as tx:
        assert erase(tx, "gone")
    assert len(found) == 3
    return [bytes(secret) for secret in found]


def files(url: str) -> bytes:
    """All bytes of the database's own files, on PostgreSQL without its write-ahead log."""
    if url.startswith("sqlite"):
        path = Path(str(make_url(url).database))
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    with owner(url) as db:
        folder = db.execute(text("SHOW data_directory")).scalar_one()
        base = db.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar_one()
    with owner(url) as db:
        db.execute(text("COMMIT"))
        db.execute(text("CHECKPOINT"))
    return b"".join(file.read_bytes() for file in (Path(folder) / "base" / str(base)).iterdir())


def left_in(url: str, secrets: list[bytes]) -> int:
    """Of how many secrets a piece is found in the files: long ones are stored in pieces."""
    stored = files(url)
    return sum(secret[:60] in stored for secret in secrets)


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Somebody who has begun to read, and reads on."""
    other = open_ledger(url)
    with other.read() as db:
        assert is_sealed(db, "kept")
        yield
    other.close()


def test_nothing_of_an_erased_context_is_left_in_the_files(ledger: Ledger, url: str, secrets: list[bytes]) -> None:
    assert left_in(url, secrets) == 3

    scrub(ledger)

    assert left_in(url, secrets) == 0


def test_what_is_not_erased_can_be_read_afterwards(ledger: Ledger, secrets: list[bytes], tmp_path: Path) -> None:
    assert secrets
    scrub(ledger)

    with ledger.read() as db:
        for context in ("first", "kept"):
            assert open_text(db, load_master_key(tmp_path / "master.key"), context).decode() == context + TEXT


def test_while_somebody_reads_the_state_of_before_it_says_so_at_once_and_holds_the_next_time(
    ledger: Ledger, url: str, tmp_path: Path
) -> None:
    master = create_master_key(tmp_path / "other.key")
    with ledger.write() as tx:
        seal_context(tx, master, "late", TEXT.encode(), [])
        seal_context(tx, master, "kept", TEXT.encode(), [])
    with ledger.read() as db:
        secret = bytes(
            db.connection.execute(vault_keys.select().where(vault_keys.c.context == "late")).scalars("wrapped").one()
        )
    with reading(url):
        with ledger.write() as tx:
            erase(tx, "late")
        began = time.monotonic()
        with pytest.raises(BusyError, match="try again"):
            scrub(ledger)
        assert time.monotonic() - began < 10
        assert left_in(url, [secret]) == 1
        with ledger.write() as tx:  # nobody is kept from writing
            seal_context(tx, master, "next", b"text", [])

    scrub(ledger)
    assert left_in(url, [secret]) == 0


@pytest.mark.postgres
@pytest.mark.parametrize("each_url", ["postgresql"], indirect=True)
def test_who_does_not_own_the_tables_is_told_that_nothing_was_removed(url: str, secrets: list[bytes]) -> None:
    role = f"guest_{uuid4().hex[:8]}"
    with owner(url) as db:
        db.execute(text(f"CREATE ROLE {role} LOGIN IN ROLE {WRITER_ROLE}"))
    guest = open_ledger(make_url(url).set(username=role).render_as_string(hide_password=False))
    try:
        with pytest.raises(StorageError, match="by its owner"):
            scrub(guest)
        assert left_in(url, secrets) == 3
    finally:
        guest.close()
        with owner(url) as db:
            db.execute(text(f"DROP ROLE {role}"))
