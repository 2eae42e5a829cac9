"""A GGUF file becomes a bf16 safetensors folder, once.

transformers can load GGUF itself, but it dequantises in every forward (or at every start) and cannot save what it
loaded. So the file is unpacked once, and everything after maps safetensors.
"""

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

CONVERSION = 1
"""Raised when the conversion writes something else than before: older caches are then made again."""

CONVERTERS = ("transformers", "tokenizers", "gguf", "torch", "safetensors")
"""Libraries whose version can change the written bytes."""


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write config.json, generation_config.json, model.safetensors (bf16) and the tokenizer into a folder.

    The folder may be the one that holds the GGUF. Needs about four times the bf16 size in memory.
    """
    # Heavy: half of Ringi (the command line's help, the verification of manifests) must start without torch.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with _quiet_progress():
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        split_digits_as_llama_cpp_does(tokenizer, gguf)
        tokenizer.save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
        model.save_pretrained(folder)


def converter_versions() -> dict[str, str]:
    """Versions of the libraries that take part in a conversion, by name."""
    return {name: importlib.metadata.version(name) for name in CONVERTERS}


def split_digits_as_llama_cpp_does(tokenizer: object, gguf: Path) -> None:
    """Give the tokenizer the pre-tokenizer that the GGUF names.

    transformers ignores ``tokenizer.ggml.pre`` and always builds the plain byte-level split. SmolLM splits digits off
    first, which shows in spaces before numbers ("a  1"): without this the base would read other tokens here than
    under llama.cpp, and than it was trained on.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    field = GGUFReader(gguf).get_field("tokenizer.ggml.pre")
    if field is None or field.contents() != "smollm":
        return
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[attr-defined]
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
        ]
    )


@contextmanager
def _quiet_progress() -> Iterator[None]:
    """No progress bars of transformers inside: the caller reports in its own words.

    One of them is a bare tqdm, which no setting reaches, so standard error is caught too; an error still comes out as
    an exception.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
