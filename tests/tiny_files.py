"""A tiny base and its generator on disk, as the command line and the service take them."""

from dataclasses import dataclass
from pathlib import Path

import torch

from adapters_core.modeling.base_model import load_base
from adapters_core.modeling.generator_file import save_generator
from tests.tiny_model import tiny_base, tiny_config, tiny_generator


@dataclass(frozen=True, kw_only=True)
class TinyFiles:
    """Where the files are."""

    base: Path
    generator: Path

    @property
    def options(self) -> list[str]:
        """As the command line takes them."""
        return ["--base", str(self.base), "--generator", str(self.generator), "--threads", "1"]


def write_tiny_files(folder: Path) -> TinyFiles:
    """Write a tiny base and a random generator for it into a folder."""
    base = tiny_base()
    base.model.save_pretrained(folder / "base")
    base.require_tokenizer().save_pretrained(folder / "base")
    generator = tiny_generator(load_base(folder / "base"), tiny_config())
    save_generator(generator, folder / "generator.safetensors", dtype=torch.float32)
    return TinyFiles(base=folder / "base", generator=folder / "generator.safetensors")
