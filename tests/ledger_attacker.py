"""Somebody who owns the database and goes past our code and its guards, for tests of what ``verify`` finds then."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, make_url, select, text, update

from adapters_core.canonical import canonical_bytes
from adapters_core.ledger.chain import GENESIS, Frontier, leaf_hash
from adapters_core.ledger.tables import checkpoints, entries
from adapters_core.ledger.verification.walk import parsed

EVIDENCE = (entries, checkpoints)


@contextmanager
def owner(url: str) -> Iterator[Connection]:
    """The database as its owner sees it, a superuser on PostgreSQL. The guards hold; what is done is committed."""
    address = make_url(url)
    postgres = address.get_backend_name() == "postgresql"
    engine = create_engine(address.set(drivername="postgresql+psycopg") if postgres else address, poolclass=NullPool)
    with engine.begin() as db:
        if postgres:
            db.execute(text("SET LOCAL search_path TO ledger"))
        yield db


@contextmanager
def unguarded(url: str) -> Iterator[Connection]:
    """The database, as somebody sees it who takes the guards away first and puts them back afterwards."""
    with owner(url) as db:
        if db.dialect.name == "postgresql":
            _switch_guards(db, "DISABLE")
            yield db
            _switch_guards(db, "ENABLE")
            return
        guards = db.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in guards:
            db.exec_driver_sql(f"DROP TRIGGER {name}")
        yield db
        for _, sql in guards:
            db.exec_driver_sql(sql)


def _switch_guards(db: Connection, how: str) -> None:
    for table in EVIDENCE:
        db.execute(text(f"ALTER TABLE {table.name} {how} TRIGGER ALL"))


def drop_guard(db: Connection, table: str, kind: str) -> None:
    """Take one guard away."""
    of_table = f" ON {table}" if db.dialect.name == "postgresql" else ""
    db.execute(text(f"DROP TRIGGER {table}_guard_{kind}{of_table}"))


def drop_constraints(db: Connection) -> None:
    """Let the tables of the evidence hold any rows."""
    for table in EVIDENCE:
        if db.dialect.name == "postgresql":
            asked = text(
                "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:table) AND contype IN ('p', 'u')"
            )
            keys = [f"DROP CONSTRAINT {name}" for name in db.execute(asked, {"table": table.name}).scalars()]
            empty = [f"ALTER COLUMN {column.name} DROP NOT NULL" for column in table.columns]
            db.execute(text(f"ALTER TABLE {table.name} {', '.join(keys + empty)}"))
        else:
            db.execute(text(f"ALTER TABLE {table.name} RENAME TO kept"))
            db.execute(text(f"CREATE TABLE {table.name} AS SELECT * FROM kept"))  # noqa: S608  # names of ours
            db.execute(text("DROP TABLE kept"))


def body_of(db: Connection, seq: int) -> str:
    """The body of an entry."""
    return str(db.execute(select(entries.c.body).where(entries.c.seq == seq)).scalar_one())


def change(db: Connection, seq: int, /, **columns: Any) -> None:
    """Write other values into the row of an entry."""
    db.execute(update(entries).where(entries.c.seq == seq).values(**columns))


def edited(body: str) -> str:
    """The body with other data, canonical still."""
    stated = parsed(body) or {}
    return canonical_bytes({**stated, "data": {**stated["data"], "note": "changed"}}).decode()


def rechain(db: Connection, first: int) -> None:
    """Edit an entry and chain everything from it on anew, as somebody would who knows how: hashes, links, nodes."""
    change(db, first, body=edited(body_of(db, first)))
    frontier, head = Frontier(), GENESIS
    for seq, body in db.execute(select(entries.c.seq, entries.c.body).order_by(entries.c.seq)).all():
        if seq >= first:
            body = canonical_bytes({**(parsed(body) or {}), "prev_hash": head}).decode()  # noqa: PLW2901  # as it is now
        leaf = leaf_hash(body.encode())
        frontier, nodes = frontier.push(leaf)
        if seq >= first:
            change(db, seq, body=body, leaf_hash=leaf.hex(), prev_hash=head, nodes=b"".join(nodes))
        head = leaf.hex()
