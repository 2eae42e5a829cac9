"""An installation in which every page has something to show, made in seconds without a model, and served."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.product import ROOT, STARTED_SECONDS, free_ports, surroundings

LISTING = "showroom.json"
_LOOK_SECONDS = 0.2
_BUILD = "import django; django.setup(); from tests.showroom_story import build; build()"
"""In a process of its own: with the settings of an installation, not with those of the tests."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A page to look at, and who looks."""

    name: str
    address: str
    member: str | None
    """Mail address of somebody of the cast; None: nobody is signed in."""


@dataclass(frozen=True, kw_only=True)
class Showroom:
    """A served showroom."""

    address: str
    sights: tuple[Sight, ...]


@contextmanager
def open_showroom(folder: Path) -> Iterator[Showroom]:
    """Fill a folder and serve its pages, without worker and core."""
    web, core = free_ports(2)
    environment = surroundings(folder, web=web, core=core)
    for command in (["manage.py", "migrate", "--verbosity", "0"], ["manage.py", "createcachetable"]):
        subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True, timeout=STARTED_SECONDS)
    subprocess.run([sys.executable, "-c", _BUILD], cwd=ROOT, env=environment, check=True, timeout=STARTED_SECONDS)
    serve = ["-m", "uvicorn", "governance.asgi:application", "--port", str(web), "--lifespan", "off"]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *serve, "--no-access-log"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        address = environment["RINGI_ADDRESS"]
        _wait_for(f"{address}/healthz", process)
        listed = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        yield Showroom(address=address, sights=tuple(Sight(**one) for one in listed))
    finally:
        process.terminate()
        process.wait(timeout=60.0)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(address, timeout=5.0, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"{address} does not answer")
