"""Any tiny base as a float32 GGUF file, for llama.cpp."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import pre_tokenizers
from torch import Tensor

from adapters_core.export.gguf_layout import FAMILIES, GgufLayout, gguf_layout
from adapters_core.modeling.base_model import BaseModel


def write_gguf_base(path: Path, base: BaseModel) -> None:
    """Write a base whose linears have the names and row orders of our layout: llama.cpp then proves the layout."""
    layout = gguf_layout(base)
    writer = gguf.GGUFWriter(path, layout.architecture)
    _add_shape(writer, base.model.config)
    _add_vocabulary(writer, base.vocab_size)
    for name, values in _arrays(base, layout).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(getattr(config, "num_key_value_heads", heads))
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(int(head_size * config.rope_parameters.get("partial_rotary_factor", 1.0)))
    writer.add_layer_norm_rms_eps(getattr(config, "rms_norm_eps", 1e-5))
    writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", 1e-5))
    writer.add_parallel_residual(getattr(config, "use_parallel_residual", False))


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Tokens that are text of their own: the server hides the probabilities of half a character."""
    letters = [char for char in sorted(pre_tokenizers.ByteLevel.alphabet()) if char.isascii()]
    words = letters + [f"w{index}" for index in range(len(letters), size)]
    writer.add_vocab_size(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.NORMAL] * (size - 3) + [gguf.TokenType.CONTROL] * 3)
    writer.add_token_merges(["w 1"])
    writer.add_bos_token_id(size - 2)
    writer.add_eos_token_id(size - 1)


def _arrays(base: BaseModel, layout: GgufLayout) -> dict[str, NDArray[np.float32]]:
    config = base.model.config
    table = gguf.get_tensor_name_map(FAMILIES[config.model_type].architecture, len(base.layers))
    arrays = {}
    for key, tensor in base.model.state_dict().items():
        if config.tie_word_embeddings and key == "lm_head.weight":
            continue
        path, _, kind = key.rpartition(".")
        name = table.get_name(path)
        if name is None:
            raise ValueError(f"no GGUF name for {key}")
        arrays[f"{name}.{kind}"] = _converted(config.model_type, path, tensor, layout).float().numpy()
    return arrays


def _converted(model_type: str, path: str, tensor: Tensor, layout: GgufLayout) -> Tensor:
    if path in layout.rows:  # weights and biases alike
        return tensor[layout.rows[path]]
    if model_type == "gemma" and path.endswith("norm"):
        return tensor + 1  # Gemma's norms multiply by 1 + weight, llama.cpp's by the weight
    return tensor
