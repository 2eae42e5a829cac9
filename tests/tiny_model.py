"""Tiny random causal LMs of every supported architecture, with a byte-level tokenizer trained on nothing."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from adapters_core.config import GeneratorConfig
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator

CHAT_TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
VOCABULARY = 259

_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "bos_token_id": 257,
    "eos_token_id": 258,
    "pad_token_id": 256,
}
_KV = {"num_key_value_heads": 2}

ARCHITECTURES: dict[str, tuple[PreTrainedConfig, tuple[str, ...]]] = {
    "llama": (LlamaConfig(**_SHAPE, **_KV), ("o_proj", "down_proj")),
    "mistral": (MistralConfig(**_SHAPE, **_KV, sliding_window=None), ("o_proj", "down_proj")),
    "qwen2": (Qwen2Config(**_SHAPE, **_KV), ("o_proj", "down_proj")),
    "qwen3": (Qwen3Config(**_SHAPE, **_KV, head_dim=8), ("o_proj", "down_proj")),
    "gemma": (GemmaConfig(**_SHAPE, **_KV, head_dim=16), ("o_proj", "down_proj")),
    "phi3": (Phi3Config(**_SHAPE, **_KV), ("o_proj", "down_proj", "qkv_proj", "gate_up_proj")),
    "gpt_neox": (GPTNeoXConfig(**_SHAPE, rotary_pct=0.5), ("dense", "dense_4h_to_h")),
}
"""Configuration and target modules by architecture."""


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer with one token a byte, and <pad>, <s>, </s>."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<pad>", "<s>", "</s>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=CHAT_TEMPLATE,
    )


def tiny_base(architecture: str = "llama", *, seed: int = 0, dtype: torch.dtype = torch.float32) -> BaseModel:
    """A tiny random base; equal seeds give equal weights."""
    config, _ = ARCHITECTURES[architecture]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return BaseModel(model, byte_tokenizer(), source=f"tiny-{architecture}")


def tiny_config(architecture: str = "llama", **changes: object) -> GeneratorConfig:
    """A generator configuration that fits a tiny base."""
    _, targets = ARCHITECTURES[architecture]
    fields: dict[str, object] = {
        "target_modules": targets,
        "key_size": 12,
        "value_size": 10,
        "rank": 8,
        "alpha": 4.0,
        "chunk_tokens": 32,
    }
    return GeneratorConfig(**{**fields, **changes})  # type: ignore[arg-type]


def tiny_generator(base: BaseModel, config: GeneratorConfig | None = None, *, seed: int = 1) -> Generator:
    """A generator with random weights everywhere (``output`` too, so that it changes something)."""
    generator = Generator(config or tiny_config(), base)
    rng = torch.Generator().manual_seed(seed)
    generator.reset(rng)
    with torch.no_grad():
        for tensor in generator.output_nOV.values():
            tensor.normal_(0, 0.2, generator=rng)
        generator.norm_ND.add_(0.1 * torch.randn(generator.norm_ND.shape, generator=rng))
    return generator
