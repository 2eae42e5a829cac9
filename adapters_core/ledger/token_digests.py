"""Digests of service tokens: a token is shown once, never stored; ``token:issued`` in the ledger says what it may."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from adapters_core.ledger.records import parse_time, time_text
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.work_tables import vault_tokens


def keep_token(writer: Writer, token: str, secret_digest: str) -> None:
    """Keep the SHA-256 of a token's secret (64 hexadecimal digits) under the token's id."""
    row = {"token": token, "secret_digest": secret_digest, "created": time_text(writer.now)}
    writer.connection.execute(insert(vault_tokens).values(row))


def token_of(reader: Reader, secret_digest: str) -> str | None:
    """The id of the token whose secret has this digest, None if there is none (any more)."""
    asked = select(vault_tokens.c.token).where(vault_tokens.c.secret_digest == secret_digest)
    token: str | None = reader.connection.execute(asked).scalar()
    return token


def last_used(reader: Reader, token: str) -> datetime | None:
    """When a token was used last; None where it never was, or is dropped."""
    asked = select(vault_tokens.c.last_used).where(vault_tokens.c.token == token)
    moment: str | None = reader.connection.execute(asked).scalar()
    return parse_time(moment) if moment else None


def touch_token(writer: Writer, token: str) -> None:
    """Note that a token was used now."""
    used = update(vault_tokens).where(vault_tokens.c.token == token).values(last_used=time_text(writer.now))
    writer.connection.execute(used)


def drop_token(writer: Writer, token: str) -> None:
    """Forget a token's secret: it opens nothing from now on."""
    writer.connection.execute(delete(vault_tokens).where(vault_tokens.c.token == token))
