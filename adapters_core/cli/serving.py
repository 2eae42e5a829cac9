"""serve: the generation core over HTTP."""

import argparse
from functools import partial
from pathlib import Path

from adapters_core.cli.options import add_model_options, command, load_core_of, positive


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    serve = command(
        commands,
        "serve",
        summary="serve generation, evaluation and an OpenAI-compatible endpoint over HTTP",
        examples=(
            "  RINGI_TOKEN=$(openssl rand -hex 32) ringi serve --store var/store\n"
            "  ringi serve --insecure-loopback                       # no token, this machine only\n"
            "  ringi serve --ray --replicas 2 --store /shared/store  # Ray Serve (pip install 'ringi[cluster]')"
        ),
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=int, default=8600, help="port to listen on; 0 takes a free one")
    serve.add_argument("--store", type=Path, default=Path("var/store"), help="folder of the adapters and sessions")
    serve.add_argument(
        "--adapters",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder besides the store from which adapters may be loaded; may be given again",
    )
    serve.add_argument("--insecure-loopback", action="store_true", help="no token needed, from this machine only")
    serve.add_argument("--ray", action="store_true", help="run on Ray Serve")
    serve.add_argument("--replicas", type=positive, default=1, help="with --ray; a GPU each where there are GPUs")
    serve.add_argument("--most-replicas", type=positive, default=None, help="with --ray: autoscale up to so many")
    serve.add_argument("--ray-address", default=None, help="with --ray: a running cluster (auto, or its address)")
    add_model_options(serve)
    serve.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    import os

    from adapters_core.cli.output import notes
    from adapters_core.service.settings import ServiceSettings, read_token

    roots = tuple(folder.resolve() for folder in args.adapters)
    settings = ServiceSettings(store=args.store.resolve(), token=read_token(os.environ), adapter_roots=roots)

    def announce(url: str) -> None:
        notes.print(f"serving at {url} (GET /ready, /metrics); Ctrl-C drains and stops")

    if args.ray:
        from adapters_core.service.ray_serve import ClusterSettings, serve_on_ray

        serve_on_ray(
            partial(load_core_of, args),
            settings,
            ClusterSettings(replicas=args.replicas, most_replicas=args.most_replicas, address=args.ray_address),
            host=args.host,
            port=args.port,
            allow_anonymous=args.insecure_loopback,
            announce=announce,
        )
        return 0
    from adapters_core.service.server import serve

    serve(
        load_core_of(args),
        settings,
        host=args.host,
        port=args.port,
        allow_anonymous=args.insecure_loopback,
        announce=announce,
    )
    return 0
