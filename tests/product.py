"""The whole product as people start it: web, core and worker in processes of their own, over a folder of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
STARTED_SECONDS = 240.0
"""For a machine of which others use most."""
STOPPED_SECONDS = 60.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Product:
    """A running installation."""

    address: str
    core: str
    passwords: Mapping[str, str]
    """First part of the mail address -> password, as setup printed it."""
    folder: Path


def surroundings(folder: Path, *, web: int, core: int) -> dict[str, str]:
    """The environment of an installation in a folder."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "governance.settings",
        "RINGI_DEBUG": "1",
        "RINGI_VAR": str(folder),
        "RINGI_ADDRESS": f"http://127.0.0.1:{web}",
        "RINGI_CORE_URL": f"http://127.0.0.1:{core}",
    }


def free_ports(count: int) -> list[int]:
    """Ports at which nobody listens now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def running_product(folder: Path) -> Iterator[Product]:
    """Set up the people of the demonstration and start everything; stop it in the end."""
    web, core = free_ports(2)
    environment = surroundings(folder, web=web, core=core)
    manage = [sys.executable, str(ROOT / "manage.py")]
    said = subprocess.run(
        [*manage, "setup", "--demo"],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=STARTED_SECONDS,
    ).stdout
    people = re.findall(r"(\w+)@ringi\.example +(\S+)", said)
    product = Product(
        address=environment["RINGI_ADDRESS"],
        core=environment["RINGI_CORE_URL"],
        passwords=dict(people),
        folder=folder,
    )
    with (folder / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [*manage, "run", "--no-demo", "--threads", "1"],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for ready in (f"{product.address}/healthz", f"{product.core}/ready"):
            _wait_for(ready, process, folder)
        yield product
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOPPED_SECONDS)


def _wait_for(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(address, timeout=5.0, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"{address} does not answer: {said_by(folder)}")


def said_by(folder: Path) -> str:
    """The ends of all logs of an installation."""
    logs = [folder / "run.log", *sorted((folder / "log").glob("*.log"))]
    return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs if log.exists())
