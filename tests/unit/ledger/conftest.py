"""A migrated ledger for each test: a copy of one file, since migrating takes longer than most tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters_core.ledger.migrating import migrate
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import SigningKey, create_key
from tests.ledger_story import Time


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "empty.sqlite3"
    ledger = open_ledger(path)
    migrate(ledger)
    ledger.close()
    return path


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return create_key(tmp_path_factory.mktemp("keys") / "ledger.key")


@pytest.fixture
def path(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "ledger.sqlite3"))


@pytest.fixture
def ledger(path: Path, key: SigningKey) -> Iterator[Ledger]:
    opened = open_ledger(path, signer=key)
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
