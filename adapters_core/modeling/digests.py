"""Digests of tensors and tokenizers: of what they hold, not of the files that held it."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from adapters_core.canonical import digest_of, sha256_hex

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def digest_tensors(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """Digest of named tensors: SHA-256 over the canonical JSON of each one's dtype, shape and bytes digest."""
    return digest_of(
        {
            name: {"dtype": str(t.dtype), "shape": list(t.shape), "sha256": sha256_hex(tensor_buffer(t))}
            for name, t in tensors
        }
    )


def tensor_buffer(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor in row-major order, whatever its dtype and device; no copy where they lie so already."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def digest_tokenizer(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Digest of a tokenizer: its serialised backend (or vocabulary) and its chat template."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend is not None else tokenizer.get_vocab()
    for transient in ("truncation", "padding"):
        if isinstance(content, dict):
            content.pop(transient, None)
    # ensure_ascii: vocabularies may hold lone surrogates, which canonical JSON refuses
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return digest_of({"backend": sha256_hex(text.encode()), "chat_template": tokenizer.chat_template})
