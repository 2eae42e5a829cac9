"""serve: the generation core over HTTP."""

import argparse
from contextlib import suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_model_options, command, load_core_of, positive
from adapters_core.errors import ConfigError
from adapters_core.service.settings import ServiceSettings, read_token, require_safe_binding

if TYPE_CHECKING:
    from collections.abc import Callable

_HIGHEST_PORT = 65_535
LIMITS = {
    "body_bytes": "largest body of a request",
    "concurrent_requests": "requests answered at once; further ones are told to come again",
    "queue_length": "pieces of work that wait for the model; as above",
    "batch_rows": "answers decoded together",
    "batch_slots": "tokens that those may come to hold together, padding included",
    "answer_tokens": "longest answer",
    "questions": "most questions of one evaluation",
    "resident_adapters": "adapters kept on the model's device; the one used longest ago makes room",
    "generation_batch_tokens": "with --batch-generation: tokens of one pass, padding included",
}
"""Options that are whole numbers, by their field of the settings."""


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
    serve.add_argument("--port", type=_port, default=8600, help="port to listen on; 0 takes a free one")
    serve.add_argument("--store", type=Path, default=Path("var/store"), help="folder of the adapters and sessions")
    serve.add_argument(
        "--adapters",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder besides the store from which adapters may be loaded; may be given again",
    )
    serve.add_argument("--foreign-adapters", action="store_true", help="also load adapters without a manifest of ours")
    serve.add_argument(
        "--context-root", type=Path, metavar="DIR", help="folder of documents that callers may name by reference"
    )
    serve.add_argument("--model-name", metavar="NAME", help="of the base, for callers (its own)")
    serve.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds the token ($RINGI_TOKEN_FILE, else $RINGI_TOKEN)"
    )
    serve.add_argument("--insecure-loopback", action="store_true", help="no token needed, from this machine only")
    serve.add_argument("--ray", action="store_true", help="run on Ray Serve")
    serve.add_argument("--replicas", type=positive, default=1, help="with --ray; a GPU each where there are GPUs")
    serve.add_argument("--most-replicas", type=positive, default=None, help="with --ray: autoscale up to so many")
    serve.add_argument("--ray-address", default=None, help="with --ray: a running cluster (auto, or its address)")
    limits = serve.add_argument_group("limits and batching")
    defaults = {field.name: field.default for field in fields(ServiceSettings)}
    for name, meaning in LIMITS.items():
        limits.add_argument(_flag(name), type=positive, default=defaults[name], metavar="N", help=meaning)
    limits.add_argument(
        "--batch-generation",
        action="store_true",
        help="encode chunks of concurrent contexts in one pass; digests are then not reproducible",
    )
    limits.add_argument(
        "--drain-seconds", type=float, default=defaults["drain_seconds"], metavar="S", help="for what runs, at the end"
    )
    add_model_options(serve)
    serve.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; what cannot be served is refused before the model is loaded."""
    from adapters_core.cli.output import notes

    settings = settings_of(args)
    require_safe_binding(args.host, settings.token, allow_anonymous=args.insecure_loopback)

    def announce(url: str) -> None:
        notes.print(f"serving at {url} (GET /ready, /metrics); Ctrl-C drains and stops")

    if args.ray:
        _serve_on_ray(args, settings, announce)
    else:
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


def settings_of(args: argparse.Namespace) -> ServiceSettings:
    """What the options say about the service.

    Raises:
        ConfigError: a limit is out of its bounds, or the token cannot be used.
    """
    import os

    return ServiceSettings(
        store=args.store.resolve(),
        token=read_token(os.environ, args.token_file),
        model_name=args.model_name,
        adapter_roots=tuple(folder.resolve() for folder in args.adapters),
        foreign_adapters=args.foreign_adapters,
        context_root=None if args.context_root is None else args.context_root.resolve(),
        batch_generation=args.batch_generation,
        drain_seconds=args.drain_seconds,
        **{name: getattr(args, name) for name in LIMITS},
    )


def _serve_on_ray(args: argparse.Namespace, settings: ServiceSettings, announce: "Callable[[str], None]") -> None:
    try:
        from adapters_core.service.ray_serve import ClusterSettings, serve_on_ray
    except ImportError as error:
        raise ConfigError(f"--ray needs Ray: pip install 'ringi[cluster]' ({error})") from error
    serve_on_ray(
        partial(load_core_of, args),
        settings,
        ClusterSettings(replicas=args.replicas, most_replicas=args.most_replicas, address=args.ray_address),
        host=args.host,
        port=args.port,
        allow_anonymous=args.insecure_loopback,
        announce=announce,
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _port(text: str) -> int:
    with suppress(ValueError):
        if 0 <= int(text) <= _HIGHEST_PORT:
            return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_HIGHEST_PORT}, got {text!r}")
