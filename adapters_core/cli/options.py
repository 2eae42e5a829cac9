"""Options that several commands share, and what they load."""

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.output import notes
from adapters_core.config import MAX_CONTEXT_TOKENS
from adapters_core.errors import InputError, IntegrityError

if TYPE_CHECKING:
    import torch

    from adapters_core.modeling.base_model import BaseModel
    from adapters_core.modeling.generator import Generator
    from adapters_core.pipeline import GenerationCore

SHIPPED = Path(__file__).parent.parent / "generators" / "smollm2-135m-instruct" / "generator.safetensors"
SHIPPED_DIGEST = "45779a0a0ada20007ad44b4ae1119f84fb011c5adb2b419f4119c309befef087"
"""Of the shipped generator: tensors, configuration and base."""
DTYPES = ("float32", "bfloat16")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the examples' line breaks and shows the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        """An option's help with its default, unless that is nothing, not given, or told by the help itself."""
        text, default = action.help or "", action.default
        nothing = default is None or isinstance(default, bool) or default in ([], (), argparse.SUPPRESS)
        if nothing or not action.option_strings or "default: " in text:
            return text
        shown = " ".join(map(str, default)) if isinstance(default, list) else str(default)
        return f"{text} (default: {shown})".replace("%", "%%")


def command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, *, summary: str, examples: str
) -> argparse.ArgumentParser:
    """A subcommand with its one-line summary and its examples."""
    return commands.add_parser(
        name, help=summary, description=summary, epilog=f"examples:\n{examples}", formatter_class=HelpFormatter
    )


def add_model_options(parser: argparse.ArgumentParser, *, generator: bool = True) -> None:
    """--base, --generator, --max-context-tokens, --dtype, --device, --threads."""
    group = parser.add_argument_group("model")
    group.add_argument("--base", default=None, help="folder, .gguf file or hub id; default: the embedded SmolLM2-135M")
    if generator:
        group.add_argument(
            "--generator", type=Path, default=SHIPPED, help=".safetensors file; default: the shipped one"
        )
        group.add_argument(
            "--max-context-tokens",
            type=positive,
            default=MAX_CONTEXT_TOKENS,
            metavar="N",
            help="longest context of one call; a longer one is refused before the model reads any of it",
        )
    group.add_argument("--dtype", choices=DTYPES, default=None, help="of the base (GPU: bfloat16, else float32)")
    group.add_argument("--device", default=None, help="cpu, cuda, cuda:1 ... (cuda where there is one)")
    group.add_argument("--threads", type=positive, default=None, help="CPU threads (all cores)")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """--json: one JSON document on standard output, progress and messages on standard error."""
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    with suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")


def require_free(out: Path) -> None:
    """Say before minutes of work, not after them, that a path is taken.

    Raises:
        InputError: there is something at that path.
    """
    if out.exists() or out.is_symlink():
        raise InputError(f"--out {out} exists already: choose another path, or remove it first")


def load_base_of(args: argparse.Namespace) -> "BaseModel":
    """The base that the options name; the embedded one is fetched where it is missing."""
    import torch

    from adapters_core.modeling.base_model import load_base

    quiet_libraries()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return load_base(base_source(args), dtype=_dtype(args.dtype, device), device=_device(device))


def base_source(args: argparse.Namespace) -> str | Path:
    """What --base names, or the cached folder of the embedded base."""
    if args.base is not None:
        return str(args.base)
    from adapters_core.fetch import fetch_default_base

    return fetch_default_base(progress=notes.print)


def load_core_of(args: argparse.Namespace) -> "GenerationCore":
    """The generation core that the options name."""
    from adapters_core.pipeline import GenerationCore, Limits

    base = load_base_of(args)
    limits = Limits(context_tokens=args.max_context_tokens)
    return GenerationCore(base, load_generator_at(args.generator, base), limits=limits)


def load_generator_at(path: Path, base: "BaseModel") -> "Generator":
    """The generator of a file; the shipped one must be the one that this code was released with.

    Raises:
        IntegrityError: the shipped generator has another digest, or the file is damaged.
    """
    from adapters_core.modeling.generator_file import load_generator

    generator = load_generator(path, base)
    if path == SHIPPED and (found := generator.digest()) != SHIPPED_DIGEST:
        raise IntegrityError(f"the shipped generator must have digest {SHIPPED_DIGEST}, got {found}: install it again")
    return generator


def quiet_libraries() -> None:
    """Keep the libraries' own progress bars and notices out of our output."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _dtype(name: str | None, device: str) -> "torch.dtype":
    import torch

    chosen = name or ("bfloat16" if device.startswith("cuda") else "float32")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[chosen]


def _device(name: str) -> "torch.device":
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device must be cpu, cuda or cuda:N, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"--device must be cpu, cuda or cuda:N, got {name!r}")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise InputError(f"--device {name}: {found} CUDA devices are available here; use --device cpu")
    return device
