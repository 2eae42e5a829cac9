"""A migrated ledger for each test: a copy of one file or database, since migrating takes longer than most tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from adapters_core.ledger.migrating import migrate
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import SigningKey, create_key
from tests import ledger_postgres
from tests.ledger_story import Time


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "empty.sqlite3"
    ledger = open_ledger(path)
    migrate(ledger)
    ledger.close()
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> Iterator[str]:
    """The name of a database on the server."""
    with ledger_postgres.database(postgres) as url:
        ledger = open_ledger(url)
        migrate(ledger)
        ledger.close()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return create_key(tmp_path_factory.mktemp("keys") / "ledger.key")


@pytest.fixture
def path(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "ledger.sqlite3"))


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def each_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Tests that hold on both databases name it ``url``."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('path')}"
        return
    template = request.getfixturevalue("migrated_postgres")
    with ledger_postgres.database(request.getfixturevalue("postgres"), template=template) as address:
        yield address


@pytest.fixture
def ledger(url: str, key: SigningKey) -> Iterator[Ledger]:
    opened = open_ledger(url, signer=key)
    yield opened
    opened.close()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def timed(path: Path, time: Time) -> Iterator[Ledger]:
    """A ledger whose clock the test moves."""
    opened = open_ledger(path, clock=time)
    yield opened
    opened.close()
