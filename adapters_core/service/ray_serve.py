"""The same ASGI app as replicas on Ray Serve (extra ``cluster``); the only module that imports Ray.

A replica keeps nothing that another needs: sessions and names lie in the store's folder, which all replicas must see
(one machine, or a shared file system), and an adapter that a replica has not is read from there. So any replica answers
any request, and one that dies takes nothing with it but the requests it was answering, which callers repeat
(:class:`adapters_core.service.client.CoreClient` does).

Ray's own ports (cluster, dashboard) are guarded by Ray's token, not by ours. A cluster that is started here has token
authentication on unless RAY_AUTH_MODE says otherwise; on a cluster that is already running, RAY_AUTH_MODE=token and
RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) must be the cluster's.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import ray
from ray import serve
from starlette.types import ASGIApp

from adapters_core.errors import ConfigError, EngineError
from adapters_core.pipeline import GenerationCore
from adapters_core.service.app import create_app
from adapters_core.service.core_service import CoreService, build_service
from adapters_core.service.settings import ServiceSettings, require_safe_binding

APPLICATION = "ringi-core"
DEPLOYMENT = "core"
LoadCore = Callable[[], GenerationCore]
"""Loads a core within a replica: a function of a module, or a partial of one, that every node can import."""


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """How many replicas there are and what each may use."""

    replicas: int = 1
    """Fewest."""
    most_replicas: int | None = None
    """Most; None: as many as the fewest. Between the two their number follows the requests."""
    requests_per_replica: float = 8.0
    """Requests being answered per replica that more replicas are started for."""
    cpus_per_replica: float = 1.0
    """Cores that Ray sets aside; the process takes as many threads, at least one."""
    gpus_per_replica: float | None = None
    """None: one each where the cluster has GPUs, none where it has not."""
    address: str | None = None
    """Of a running cluster (``auto``: the one on this machine); None: start one here, and end it with the service."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ConfigError: a field is out of its bounds.
        """
        if self.replicas < 1 or (self.most_replicas is not None and self.most_replicas < self.replicas):
            raise ConfigError(f"replicas must be 1 <= fewest <= most, got {self.replicas} and {self.most_replicas}")
        if not (self.requests_per_replica > 0 and self.cpus_per_replica > 0):
            raise ConfigError("requests_per_replica and cpus_per_replica must be positive")
        if self.gpus_per_replica is not None and self.gpus_per_replica < 0:
            raise ConfigError(f"gpus_per_replica must not be negative, got {self.gpus_per_replica}")


@serve.ingress()
class Replica:
    """One process with a base, a generator and the app over them."""

    def __init__(self, load: LoadCore, settings: ServiceSettings) -> None:
        """Load the core and start the model's thread."""
        self._service: CoreService = build_service(load(), settings, now=int(time.time()))

    def __serve_build_asgi_app__(self) -> ASGIApp:  # the name that Ray looks for
        """The app that this replica answers with."""
        return create_app(self._service)

    def check_health(self) -> None:
        """Ray asks this; a replica that fails it is replaced.

        Raises:
            EngineError: the model's thread has ended.
        """
        if not self._service.scheduler.thread_alive:
            raise EngineError("the thread that owns the model has ended")


def deploy(load: LoadCore, settings: ServiceSettings, cluster: ClusterSettings) -> "serve.Application":
    """The application, to be run on the cluster that this process is connected to."""
    gpus = cluster.gpus_per_replica
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
    deployment = serve.deployment(
        Replica,
        name=DEPLOYMENT,
        ray_actor_options={"num_cpus": cluster.cpus_per_replica, "num_gpus": gpus},
        autoscaling_config={
            "min_replicas": cluster.replicas,
            "initial_replicas": cluster.replicas,
            "max_replicas": cluster.most_replicas or cluster.replicas,
            "target_ongoing_requests": cluster.requests_per_replica,
        },
        # one beyond what the app takes, so that it is the app that says 429, in its own words
        max_ongoing_requests=settings.concurrent_requests + 1,
        graceful_shutdown_timeout_s=settings.drain_seconds,
        health_check_period_s=5,
        health_check_timeout_s=30,
    )
    return deployment.bind(load, settings)


def serve_on_ray(
    load: LoadCore,
    settings: ServiceSettings,
    cluster: ClusterSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_anonymous: bool = False,
    announce: Callable[[str], None] = lambda _url: None,
    stop: threading.Event | None = None,
) -> None:
    """Serve on Ray until told to stop (SIGTERM, Ctrl-C, or the event).

    Args:
        load: see :data:`LoadCore`.
        settings: of each replica; the store must be a folder that all of them see, named by its absolute path.
        cluster: see :class:`ClusterSettings`.
        host: address that the proxies listen on.
        port: of the proxies.
        allow_anonymous: serve without a token, on loopback only.
        announce: told the address once replicas answer.
        stop: ends the service from another thread.

    Raises:
        ConfigError: no token, and anonymous callers are not allowed here; or the store's path is relative.
        EngineError: the replicas did not come up.
    """
    require_safe_binding(host, settings.token, allow_anonymous=allow_anonymous)
    if not settings.store.is_absolute():
        raise ConfigError(
            f"replicas run in folders of their own: name the store by its absolute path, got {settings.store}"
        )
    stop = stop or threading.Event()
    _connect(cluster)
    try:
        serve.start(http_options={"host": host, "port": port})
        serve.run(deploy(load, settings, cluster), name=APPLICATION, route_prefix="/")
        announce(f"http://{host}:{port}")
        _wait(stop)
    except RuntimeError as error:
        raise EngineError(f"Ray Serve could not run the replicas: {type(error).__name__}; see its log") from error
    finally:
        _end(cluster)


def _connect(cluster: ClusterSettings) -> None:
    # Ray reads this from the environment alone, and tells its authors how it is used unless it stands there
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"log_to_driver": False, "logging_level": logging.WARNING}
    if cluster.address is None:
        ray.init(include_dashboard=False, **options)
    else:
        ray.init(address=cluster.address, **options)


def _end(cluster: ClusterSettings) -> None:
    if cluster.address is None:
        serve.shutdown()
    else:
        serve.delete(APPLICATION)
    ray.shutdown()


def _wait(stop: threading.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    stop.wait()
