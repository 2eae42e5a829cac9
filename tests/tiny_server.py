"""A tiny service as a process of its own: ``python -m tests.tiny_server STORE [name=value ...]``.

Prints its address on standard output; its journal goes to standard error.
"""

import sys
from pathlib import Path

import torch

from adapters_core.service.server import serve
from tests.tiny_service import tiny_core, tiny_settings


def main(store: str, *fields: str) -> None:
    """Serve until told to stop."""
    torch.set_num_threads(1)
    changes = {name: int(value) for name, value in (field.split("=") for field in fields)}
    settings = tiny_settings(Path(store), **changes)
    serve(tiny_core(), settings, port=0, announce=lambda url: print(url, flush=True))  # noqa: T201  # the address


if __name__ == "__main__":
    main(*sys.argv[1:])
