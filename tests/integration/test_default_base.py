"""The real base model in the cache."""

from pathlib import Path

import httpx
import pytest
from transformers import AutoConfig, AutoTokenizer

from adapters_core.fetch import default_gguf, fetch_default_base

pytestmark = pytest.mark.base

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder() -> Path:
    return fetch_default_base(verify=True)


def test_the_default_base_is_smollm2(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder)

    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (30, 576, 49152)
    assert (folder / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_the_chat_template_is_chatml(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)

    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], tokenize=False, add_generation_prompt=True
    )

    assert chat.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.engine("xllamacpp")
def test_the_tokens_are_those_of_llama_cpp(folder: Path) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(default_gguf(folder))
    params.n_ctx = 64
    params.n_parallel = 1
    params.verbosity = -1
    server = xllamacpp.Server(params)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [
        "a  12 b\n\n  - 3.5%\t(2024年度) ９９ ²",
        "Didn't  the 株式会社 山田  pay ¥ 1,200,000?",
        *(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("*.md"))),
    ]

    for text in texts:
        answer = httpx.post(
            f"{server.listening_address}/tokenize",
            json={"content": text, "add_special": False, "parse_special": False},
            timeout=60,
        )
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == answer.json()["tokens"]
