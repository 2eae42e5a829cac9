"""Do the pages stay as fast when the ledger grows a hundred times?

Peers in the same run: the same pages over 1,000 adapters (10,000 entries) and over 100,000 (1,000,000 entries), asked
in turns by people of each role. What is timed is the whole request in the web process, templates included.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from django.apps import apps
from django.test import Client

from benchmarks import population
from benchmarks.installing import browser, filled, prepare_people
from benchmarks.reporting import plain_arguments, report
from governance.installation import NAME
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, YUKI

SIZES = (1_000, 100_000)
PEOPLE = {"engineer": HANAKO, "reviewer": YUKI, "manager": AKIRA, "administrator": MISAKI, "auditor": NAOKO}


def pages(adapters: int) -> dict[str, tuple[str, str]]:
    """name -> (who, address) of each page over so many adapters."""
    waiting, approved = adapters // 20 * 20 - 20 + population.WAITING, adapters // 20 * 20 - 20 + population.APPROVED
    older = adapters // 40 * 20 + population.APPROVED + 1
    return {
        "inbox, engineer": ("engineer", "/"),
        "inbox, reviewer": ("reviewer", "/"),
        "inbox, manager": ("manager", "/"),
        "inbox, administrator": ("administrator", "/"),
        "inbox, auditor": ("auditor", "/"),
        "adapters, newest": ("engineer", "/adapters/"),
        "adapters, by state": ("engineer", "/adapters/?state=approved&sort=recent"),
        "adapters, by recovery": ("engineer", "/adapters/?sort=recovery"),
        "adapters, search": ("engineer", f"/adapters/?q={(adapters // 3) - 7}-1"),
        "dossier, waiting": ("reviewer", f"/adapters/{population.digest(waiting)}/"),
        "dossier, approved": ("engineer", f"/adapters/{population.digest(approved)}/"),
        "dossier, deployed once": ("administrator", f"/adapters/{population.digest(older)}/"),
        "requests": ("reviewer", "/requests/"),
        "request": ("reviewer", f"/requests/request-{waiting}/"),
        "slot": ("administrator", "/slots/desk-0/"),
        "log": ("auditor", "/audit/"),
    }


def main() -> None:
    """Measure and report."""
    args = plain_arguments(__doc__ or "", repeats=7)
    prepare_people()
    clients = {who: browser(member) for who, member in PEOPLE.items()}
    config: Any = apps.get_app_config(NAME)
    times: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        places = {}
        for size in SIZES:
            stack.enter_context(filled(args.folder, size))
            places[size] = config.installation
        for _ in range(args.repeats + 1):  # the first one warms up
            for name in pages(SIZES[0]):
                for size, place in places.items():
                    with _over(config, place):
                        who, address = pages(size)[name]
                        times.setdefault((name, size), []).append(_ask(clients[who], address))
    rows: list[dict[str, Any]] = []
    for name in pages(SIZES[0]):
        small, large = (median(times[(name, size)][1:]) for size in SIZES)
        rows.append({"page": name, "ms at 1,000": small * 1e3, "ms at 100,000": large * 1e3, "ratio": large / small})
    report("pages", rows, args, None)


@contextmanager
def _over(config: Any, place: Any) -> Iterator[None]:  # noqa: ANN401  Django's app configuration, and what it holds
    before, config.installation = config.installation, place
    try:
        yield
    finally:
        config.installation = before


def _ask(client: Client, address: str) -> float:
    started = time.perf_counter()
    answer = client.get(address)
    seconds = time.perf_counter() - started
    if answer.status_code != 200:
        raise RuntimeError(f"{address} must be a page, it answered {answer.status_code}")
    return seconds


if __name__ == "__main__":
    main()
