"""One tiny core behind a socket, and an installation a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from governance.services.set_policy import set_policy
from governance.worker.workplace import Workplace
from tests.cast import MISAKI
from tests.factories.cores import RunningCore, running_core
from tests.factories.installations import Place, copy_template, installed, make_template
from tests.factories.works import LENIENT, make_slot, workplace


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded installation with a lenient policy; tests take copies."""
    folder = make_template(tmp_path_factory.mktemp("template") / "var")
    with installed(folder) as place:
        set_policy(place.actor(MISAKI), name="lenient", policy=LENIENT)
    return folder


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Iterator[Place]:
    """An installation of this test alone."""
    with installed(copy_template(template, tmp_path / "var")) as ready:
        yield ready


@pytest.fixture
def core(place: Place, tmp_path: Path) -> Iterator[RunningCore]:
    """A core over a tiny base."""
    with running_core(tmp_path / "core", adapters=place.folder / "serving") as running:
        yield running


@pytest.fixture
def at(place: Place, core: RunningCore) -> Iterator[Workplace]:
    """A worker's tools, and the slot ``desk``."""
    make_slot(place, core)
    with workplace(place, core) as tools:
        yield tools
