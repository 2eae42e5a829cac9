"""What browser tests share: a browser, and a showroom whose pages it looks at, each once for a file."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browsers import open_browser
from tests.showroom import Showroom, open_showroom


@pytest.fixture(scope="module")
def showroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showroom]:
    with open_showroom(tmp_path_factory.mktemp("showroom")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened
