"""serve: the generation core over HTTP."""

import argparse
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
    serve.add_argument("--insecure-loopback", action="store_true", help="no token needed, from this machine only")
    serve.add_argument("--ray", action="store_true", help="run on Ray Serve")
    serve.add_argument("--replicas", type=positive, default=1, help="with --ray; a GPU each where there are GPUs")
    add_model_options(serve)
    serve.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    import os

    from adapters_core.cli.output import notes
    from adapters_core.service.settings import ServiceSettings, read_token

    settings = ServiceSettings(store=args.store, token=read_token(os.environ))
    if args.ray:
        return _run_on_ray(args, settings)
    from adapters_core.service.server import serve

    core = load_core_of(args)
    serve(
        core,
        settings,
        host=args.host,
        port=args.port,
        allow_anonymous=args.insecure_loopback,
        announce=lambda url: notes.print(f"serving {core.base.source} at {url} (GET /ready, /docs, /metrics)"),
    )
    return 0
