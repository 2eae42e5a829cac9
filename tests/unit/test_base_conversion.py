"""A converted GGUF: the same weights in bf16, the same tokens as llama.cpp."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from adapters_core.base_conversion import CONVERTERS, convert_gguf, converter_versions
from tests.tiny_gguf import write_gguf


def test_a_converted_model_holds_the_weights_of_the_gguf_in_bf16(tmp_path: Path) -> None:
    written = write_gguf(tmp_path / "tiny.gguf")

    convert_gguf(tmp_path / "tiny.gguf", tmp_path)

    tensors = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    down = torch.from_numpy(written["blk.1.ffn_down.weight"]).to(torch.bfloat16)
    assert torch.equal(tensors["model.layers.1.mlp.down_proj.weight"], down)


def test_a_converted_folder_loads_without_the_gguf(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    convert_gguf(tmp_path / "tiny.gguf", tmp_path)
    (tmp_path / "tiny.gguf").unlink()

    tokenizer = AutoTokenizer.from_pretrained(tmp_path)

    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert chat == "<|im_start|>hi<|im_end|>"


@pytest.mark.parametrize(
    ("pre", "tokens"),
    [
        ("smollm", ["a", "ĠĠ", "1"]),
        ("gpt-2", ["a", "Ġ", "Ġ1"]),
    ],
)
def test_digits_are_split_as_the_gguf_says(tmp_path: Path, pre: str, tokens: list[str]) -> None:
    write_gguf(tmp_path / "tiny.gguf", pre=pre)

    convert_gguf(tmp_path / "tiny.gguf", tmp_path)

    assert AutoTokenizer.from_pretrained(tmp_path).tokenize("a  1") == tokens


def test_a_conversion_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_gguf(tmp_path / "tiny.gguf")

    convert_gguf(tmp_path / "tiny.gguf", tmp_path)

    assert capfd.readouterr() == ("", "")


def test_the_versions_of_all_converters_are_known() -> None:
    assert set(converter_versions()) == set(CONVERTERS)
