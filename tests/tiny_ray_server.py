"""Two tiny replicas on a Ray cluster of their own: ``python -m tests.tiny_ray_server STORE PORT``.

Prints the address on standard output once the replicas answer.
"""

import sys
from pathlib import Path

from adapters_core.service.ray_serve import ClusterSettings, serve_on_ray
from tests.tiny_service import tiny_core, tiny_settings


def main(store: str, port: str) -> None:
    """Serve until told to stop."""
    serve_on_ray(
        tiny_core,
        tiny_settings(Path(store)),
        ClusterSettings(replicas=2, cpus_per_replica=0.2),
        port=int(port),
        announce=lambda url: print(url, flush=True),  # noqa: T201  # the address
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
