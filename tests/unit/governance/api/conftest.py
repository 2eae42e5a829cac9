"""A ledger with something of every kind in it, for all tests of a module that leave it as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories.installations import Place, copy_template, installed
from tests.factories.worlds import World, populate


@dataclass(frozen=True, kw_only=True)
class Filled:
    """An installation with what is in it."""

    place: Place
    world: World


@pytest.fixture(scope="module")
def filled(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Shared: what a test adds stays."""
    with installed(copy_template(template, tmp_path_factory.mktemp("filled") / "var")) as place:
        yield Filled(place=place, world=populate(place))
