"""The service as a process: uvicorn, one process, one model."""

import logging
import math
import socket
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from adapters_core.errors import StorageError
from adapters_core.pipeline import GenerationCore
from adapters_core.service.app import create_app
from adapters_core.service.core_service import build_service
from adapters_core.service.journal import LOGGER, JsonLines
from adapters_core.service.settings import ServiceSettings, require_safe_binding

BACKLOG = 2048


def serve(
    core: GenerationCore,
    settings: ServiceSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_anonymous: bool = False,
    announce: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C): nothing new is taken then, what was taken is finished.

    Args:
        core: the base and its generator.
        settings: see :class:`ServiceSettings`.
        host: address to listen on.
        port: 0 takes a free one.
        allow_anonymous: serve without a token, on loopback only.
        announce: told the address once it is bound.

    Raises:
        ConfigError: no token, and anonymous callers are not allowed here.
        StorageError: the address is taken, or the store cannot be written.
    """
    require_safe_binding(host, settings.token, allow_anonymous=allow_anonymous)
    listening = bind(host, port)
    service = build_service(core, settings, now=int(time.time()))
    log_as_json()
    listening.listen(BACKLOG)  # who connects from now on waits until the server takes over
    announce(address_of(listening))
    server(create_app(service), drain_seconds=settings.drain_seconds).run(sockets=[listening])


def server(app: ASGIApp, *, drain_seconds: float) -> uvicorn.Server:
    """uvicorn, silent about requests: the journal writes them, without text."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(drain_seconds),
        backlog=BACKLOG,
    )
    return uvicorn.Server(config)


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to an address.

    Raises:
        StorageError: the address is taken or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StorageError(f"cannot listen on {host} port {port}: {error.strerror}; choose another port") from error
    return listening


def address_of(listening: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def log_as_json() -> None:
    """Write the service's and uvicorn's records as JSON lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name in (LOGGER, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
