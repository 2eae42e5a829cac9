"""What the vault keeps, to whom it gives it, and that erasing leaves nothing to read."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.canonical import sha256_hex
from adapters_core.errors import ErasedError, InputError, IntegrityError, StorageError
from adapters_core.ledger.scrubbing import scrub
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.token_digests import drop_token, keep_token, token_of, touch_token
from adapters_core.ledger.vault import (
    MasterKey,
    commit_to,
    create_master_key,
    erase,
    is_sealed,
    load_master_key,
    open_text,
    seal_context,
    seal_text,
)
from adapters_core.ledger.work_tables import vault_keys, vault_texts

TEXT = "有給休暇は入社日から付与する。".encode()
CHUNKS = (TEXT[:15], TEXT[15:])


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    return create_master_key(tmp_path / "master.key")


def seal(ledger: Ledger, master: MasterKey, context: str = "c-1", text: bytes = TEXT) -> str:
    with ledger.write() as tx:
        return seal_context(tx, master, context, text, CHUNKS).commitment


def test_a_sealed_text_is_opened_by_its_master_key_only(ledger: Ledger, master: MasterKey, tmp_path: Path) -> None:
    seal(ledger, master)
    other = create_master_key(tmp_path / "other.key")

    with ledger.read() as db:
        assert open_text(db, master, "c-1") == TEXT
        assert open_text(db, load_master_key(tmp_path / "master.key"), "c-1") == TEXT
        with pytest.raises(IntegrityError, match="master key is another"):
            open_text(db, other, "c-1")


def test_commitments_bind_to_the_text_and_differ_between_contexts(ledger: Ledger, master: MasterKey) -> None:
    first, second = seal(ledger, master, "c-1"), seal(ledger, master, "c-2")

    assert first != second
    with ledger.read() as db:
        assert commit_to(db, master, "c-1", TEXT) == first
        assert commit_to(db, master, "c-1", TEXT + b"!") != first


def test_each_chunk_has_its_commitment(ledger: Ledger, master: MasterKey) -> None:
    with ledger.write() as tx:
        sealed = seal_context(tx, master, "c-1", TEXT, CHUNKS)
        assert sealed.chunk_commitments == tuple(commit_to(tx, master, "c-1", chunk) for chunk in CHUNKS)


def test_the_database_holds_no_text(ledger: Ledger, master: MasterKey, path: Path) -> None:
    seal(ledger, master)
    scrub(ledger)

    assert TEXT not in path.read_bytes()


def test_erasing_removes_keys_and_ciphertext_from_the_file_itself(
    ledger: Ledger, master: MasterKey, path: Path
) -> None:
    seal(ledger, master)
    with ledger.write() as tx:
        seal_text(tx, master, "c-1", "answers", b"an answer")
    with ledger.read() as db:
        secrets = [bytes(row) for row in db.connection.execute(vault_texts.select()).scalars("sealed")]
        secrets += [bytes(row) for row in db.connection.execute(vault_keys.select()).scalars("wrapped")]
    scrub(ledger)
    assert all(secret in path.read_bytes() for secret in secrets)

    with ledger.write() as tx:
        assert erase(tx, "c-1")
    scrub(ledger)

    left = b"".join(file.read_bytes() for file in path.parent.glob("ledger.sqlite3*"))
    assert not any(secret in left for secret in secrets)
    with ledger.read() as db:
        assert not is_sealed(db, "c-1")
        for name in ("context", "answers"):
            with pytest.raises(ErasedError):
                open_text(db, master, "c-1", name)
        with pytest.raises(ErasedError):
            commit_to(db, master, "c-1", TEXT)
    with ledger.write() as tx:
        assert not erase(tx, "c-1")


def test_a_context_is_sealed_once(ledger: Ledger, master: MasterKey) -> None:
    seal(ledger, master)
    with pytest.raises(InputError, match="must not know"):
        seal(ledger, master)


def test_a_text_is_bound_to_its_context_and_name(ledger: Ledger, master: MasterKey) -> None:
    seal(ledger, master)
    with ledger.write() as tx:
        seal_text(tx, master, "c-1", "answers", b"first")
        seal_text(tx, master, "c-1", "answers", b"second")
    with ledger.read() as db:
        assert open_text(db, master, "c-1", "answers") == b"second"

    with ledger.write() as tx:
        moved = vault_texts.update().where(vault_texts.c.name == "answers").values(name="context2")
        tx.connection.execute(moved)
    with ledger.read() as db, pytest.raises(IntegrityError, match="were changed"):
        open_text(db, master, "c-1", "context2")


@given(st.integers(0, 200))
def test_a_changed_bit_is_noticed(place: int) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from adapters_core.ledger import vault

    cipher = AESGCM(b"k" * 32)
    sealed = bytearray(vault._seal(cipher, TEXT, "c-1/context"))
    sealed[place % len(sealed)] ^= 1
    with pytest.raises(IntegrityError):
        vault._open(cipher, bytes(sealed), "c-1/context")


def test_the_master_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    create_master_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with pytest.raises(StorageError, match="never overwritten"):
        create_master_key(path)
    path.chmod(0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        load_master_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(IntegrityError, match="32 bytes"):
        load_master_key(path)


def test_a_token_is_known_by_the_digest_of_its_secret_until_it_is_dropped(ledger: Ledger) -> None:
    secret = sha256_hex(b"secret")
    with ledger.write() as tx:
        keep_token(tx, "t-1", secret)
        touch_token(tx, "t-1")
    with ledger.read() as db:
        assert token_of(db, secret) == "t-1"
        assert token_of(db, sha256_hex(b"guess")) is None
    with ledger.write() as tx:
        drop_token(tx, "t-1")
    with ledger.read() as db:
        assert token_of(db, secret) is None
