"""What a page asks of the ledger does not grow with the ledger: times are measured by ``benchmarks.pages``."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters_core.ledger.signing import load_public
from adapters_core.ledger.verification.verify import verify
from benchmarks.filling import fill
from benchmarks.pages import PEOPLE, pages
from benchmarks.population import ENTRIES_EACH, SLOTS
from governance.installation import installation
from tests.factories.installations import START, Place, copy_template, installed
from tests.ledger_trace import traced
from tests.unit.governance.conftest import SignIn

SIZES = (240, 480)
"""Enough that every list is full in both."""
MOST = 250
"""Queries of one page: an inbox of ten cases asks some twenty of each."""
ALIKE = 60
"""Times that a page asks the same with other values: six for each of ten cases (the histories of request, adapter,
its parents and contexts: who must not decide on it), not one for each row."""


@pytest.fixture(scope="module")
def grown(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of installations by their number of adapters."""
    folders = {}
    for size in SIZES:
        folders[size] = copy_template(template, tmp_path_factory.mktemp("grown") / str(size))
        with installed(folders[size]) as place:
            here = installation()
            fill(place.ledger, here.signing_key, here.master_key, adapters=size, since=START)
    return folders


def test_a_filled_ledger_is_one_that_verifies(grown: dict[int, Path]) -> None:
    with installed(grown[SIZES[0]]) as place, place.ledger.read() as db:
        report = verify(db, [load_public(place.folder / "keys" / "ledger.key.pub")])
    assert report.findings == ()
    assert report.size >= SIZES[0] * ENTRIES_EACH + SLOTS
    assert report.checkpoint


@pytest.mark.parametrize("name", list(pages(SIZES[0])))
def test_a_page_asks_as_many_queries_of_twice_as_many_adapters(
    name: str, grown: dict[int, Path], browser_of: SignIn
) -> None:
    counts, alike = [], 0
    for size in SIZES:
        who, address = pages(size)[name]
        client = browser_of(PEOPLE[who])
        with installed(grown[size]) as place, counted(place) as asked:
            assert client.get(address).status_code == 200
        counts.append(len(asked))
        alike = max(alike, *Counter(asked).values())
    assert counts[0] == counts[1]
    assert counts[0] <= MOST
    assert alike <= ALIKE


@contextmanager
def counted(place: Place) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    asked: list[str] = []
    with traced(place.ledger.engine, lambda _connection, text: asked.append(text)):
        yield asked
