"""The vault: texts that can be erased, beside a ledger that cannot.

Each context has 64 random bytes of its own: half a key for commitments (HMAC-SHA-256), half a key for encryption
(AES-256-GCM). They lie in the database wrapped by a master key that lies in a file. Erasing a context removes its keys
and its ciphertext; the commitments in the ledger then bind to something that nobody can compute any more.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select

from adapters_core.canonical import commitment
from adapters_core.errors import ErasedError, InputError, IntegrityError
from adapters_core.ledger.records import time_text
from adapters_core.ledger.signing import read_secret, write_secret
from adapters_core.ledger.statements import insert_rows, insert_unless_there
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.work_tables import vault_keys, vault_texts

CONTEXT = "context"
"""The name of a context's own text."""
KEY_BYTES = 32
_NONCE_BYTES = 12


def evaluation_text(evaluation: str) -> str:
    """The name of what an evaluation asked and heard, under each context that it asked about."""
    return f"evaluation:{evaluation}"


def control_text(evaluation: str) -> str:
    """The name of what an adapter of another document answered there, under that document."""
    return f"control:{evaluation}"


@dataclass(frozen=True, kw_only=True)
class MasterKey:
    """Wraps the keys of all contexts."""

    cipher: AESGCM


@dataclass(frozen=True, kw_only=True)
class Commitments:
    """What the ledger records instead of a text."""

    commitment: str
    """HMAC-SHA-256 of the text under the context's key, 64 hexadecimal digits."""
    chunk_commitments: tuple[str, ...]


def create_master_key(path: Path) -> MasterKey:
    """A new master key in a file (mode 600).

    Raises:
        StorageError: the file exists already or cannot be written.
    """
    write_secret(path, os.urandom(KEY_BYTES))
    return load_master_key(path)


def load_master_key(path: Path) -> MasterKey:
    """The master key in a file.

    Raises:
        StorageError: the file cannot be read, or others may read it.
        IntegrityError: it holds no key of 32 bytes.
    """
    secret = read_secret(path)
    if len(secret) != KEY_BYTES:
        raise IntegrityError(f"{path} must hold a master key of {KEY_BYTES} bytes, got {len(secret)}")
    return MasterKey(cipher=AESGCM(secret))


def seal_context(writer: Writer, master: MasterKey, context: str, text: bytes, chunks: Sequence[bytes]) -> Commitments:
    """Make a context's keys, seal its text, and commit to it and to each of its chunks.

    Raises:
        InputError: the vault has a context of this id already.
    """
    keys = os.urandom(2 * KEY_BYTES)
    row = {"context": context, "wrapped": _seal(master.cipher, keys, context), "created": time_text(writer.now)}
    if not insert_unless_there(writer.connection, vault_keys, row):
        raise InputError(f"the vault must not know the context {context} yet, it does: give it another id")
    _insert_text(writer, keys, context, CONTEXT, text)
    return Commitments(
        commitment=commitment(keys[:KEY_BYTES], text),
        chunk_commitments=tuple(commitment(keys[:KEY_BYTES], chunk) for chunk in chunks),
    )


def seal_text(writer: Writer, master: MasterKey, context: str, name: str, data: bytes) -> None:
    """Seal another text under a context's key (or replace the one of this name): it is erased with the context.

    Raises:
        ErasedError: the vault has no key of this context.
    """
    keys = _keys(writer, master, context)
    table = vault_texts.c
    writer.connection.execute(delete(vault_texts).where(table.context == context, table.name == name))
    _insert_text(writer, keys, context, name, data)


def open_text(reader: Reader, master: MasterKey, context: str, name: str = CONTEXT) -> bytes:
    """A sealed text.

    Raises:
        ErasedError: it was erased, or never sealed.
        IntegrityError: it was changed, or sealed under another master key.
    """
    keys = _keys(reader, master, context)
    table = vault_texts.c
    asked = select(table.sealed).where(table.context == context, table.name == name)
    sealed = reader.connection.execute(asked).scalar()
    if sealed is None:
        raise ErasedError(f"the vault has no text {name!r} of the context {context}: it was erased or never sealed")
    return _open(AESGCM(keys[KEY_BYTES:]), bytes(sealed), f"{context}/{name}")


def commit_to(reader: Reader, master: MasterKey, context: str, data: bytes) -> str:
    """The commitment to data under a context's key.

    Raises:
        ErasedError: the vault has no key of this context.
    """
    return commitment(_keys(reader, master, context)[:KEY_BYTES], data)


def is_sealed(reader: Reader, context: str) -> bool:
    """Whether the vault has a context's key."""
    return (
        reader.connection.execute(select(vault_keys.c.context).where(vault_keys.c.context == context)).first()
        is not None
    )


def has_text(reader: Reader, context: str, name: str = CONTEXT) -> bool:
    """Whether a text of this name is sealed under a context."""
    table = vault_texts.c
    asked = select(table.name).where(table.context == context, table.name == name)
    return reader.connection.execute(asked).first() is not None


def erase(writer: Writer, context: str) -> bool:
    """Remove a context's keys and all its texts, in the transaction of the ``context:erased`` entry.

    ``scrubbing.scrub`` has to follow once that is committed. Answers whether there was anything to erase.
    """
    writer.connection.execute(delete(vault_texts).where(vault_texts.c.context == context))
    gone = writer.connection.execute(delete(vault_keys).where(vault_keys.c.context == context))
    return bool(gone.rowcount)


def forget(writer: Writer, names: Sequence[str]) -> None:
    """Remove the texts of some names, whichever contexts they are sealed under: they hold words of an erased one."""
    writer.connection.execute(delete(vault_texts).where(vault_texts.c.name.in_(names)))


def _insert_text(writer: Writer, keys: bytes, context: str, name: str, data: bytes) -> None:
    sealed = _seal(AESGCM(keys[KEY_BYTES:]), data, f"{context}/{name}")
    row = {"context": context, "name": name, "sealed": sealed, "created": time_text(writer.now)}
    insert_rows(writer.connection, vault_texts, [row])


def _keys(reader: Reader, master: MasterKey, context: str) -> bytes:
    wrapped = reader.connection.execute(select(vault_keys.c.wrapped).where(vault_keys.c.context == context)).scalar()
    if wrapped is None:
        raise ErasedError(f"the vault has no key of the context {context}: it was erased or never sealed")
    return _open(master.cipher, bytes(wrapped), context)


def _seal(cipher: AESGCM, data: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, bound_to.encode())


def _open(cipher: AESGCM, sealed: bytes, bound_to: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(f"the sealed data of {bound_to} were changed, or the master key is another one") from error
