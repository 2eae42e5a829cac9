"""The frozen base: its sites, its digest, and what is not supported."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, MixtralConfig, PreTrainedConfig

from adapters_core.errors import InputError, UnknownSiteError, UnsupportedModelError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.digests import digest_tensors, digest_tokenizer
from tests.tiny_model import ARCHITECTURES, VOCABULARY, byte_tokenizer, tiny_base

TINY_GPT2 = GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=64, bos_token_id=1, eos_token_id=2)


def base_of(config: PreTrainedConfig) -> BaseModel:
    return BaseModel(AutoModelForCausalLM.from_config(config))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sites_are_the_linears_of_every_layer(architecture: str) -> None:
    base = tiny_base(architecture)
    _, targets = ARCHITECTURES[architecture]

    sites = base.sites(targets)

    assert [(site.layer, site.target) for site in sites] == [(layer, t) for layer in range(3) for t in targets]
    assert len({site.name for site in sites}) == len(sites)
    for site in sites:
        assert base.module(site.path).get_parameter("weight").shape == (site.d_out, site.d_in)


def test_a_site_has_a_path_a_name_and_its_sizes() -> None:
    site = tiny_base().sites(["down_proj"], [2])[0]

    assert site.path == "model.layers.2.mlp.down_proj"
    assert site.name == "layers.2.down_proj"
    assert (site.d_in, site.d_out) == (48, 32)


def test_a_target_may_be_named_with_its_block() -> None:
    assert tiny_base().sites(["mlp.down_proj"], [0])[0].path == "model.layers.0.mlp.down_proj"


@pytest.mark.parametrize("target", ["c_attn", "c_proj", "mlp.c_proj"])
def test_a_module_that_is_no_linear_is_named_with_what_is_supported(target: str) -> None:
    with pytest.raises(UnsupportedModelError, match=r"must be torch\.nn\.Linear, found transformers.*Conv1D") as caught:
        base_of(TINY_GPT2).sites([target])

    assert "no torch.nn.Linear in this layer" in str(caught.value)


def test_a_norm_is_no_target() -> None:
    with pytest.raises(UnsupportedModelError, match="LlamaRMSNorm; supported here: down_proj, gate_proj"):
        tiny_base().sites(["input_layernorm"])


def test_an_unknown_target_is_answered_with_those_there_are() -> None:
    message = (
        "found no module in layer 0; supported here: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    )

    with pytest.raises(UnknownSiteError, match=message):
        tiny_base().sites(["o_proj", "out_proj"])


def test_a_target_that_is_there_more_than_once_in_a_layer_is_refused() -> None:
    base = tiny_base()
    base.layers[0].get_submodule("mlp").register_module("o_proj", torch.nn.Linear(4, 4))

    with pytest.raises(UnknownSiteError, match=r"found 2 modules \(self_attn\.o_proj, mlp\.o_proj\) in layer 0"):
        base.sites(["o_proj"])


@pytest.mark.parametrize("layers", [[3], [0, -1], [7, 8]])
def test_layers_out_of_range_are_named(layers: list[int]) -> None:
    with pytest.raises(UnknownSiteError, match=r"layers must lie in 0\.\.2, got"):
        tiny_base().sites(["o_proj"], layers)


def test_a_path_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(UnknownSiteError, match="is no module of this base \\(LlamaForCausalLM\\)"):
        tiny_base().module("model.layers.9.mlp")


def test_a_model_without_one_list_of_layers_is_refused() -> None:
    model = tiny_base().model
    model.register_module("h", copy.deepcopy(model.model.layers))

    with pytest.raises(UnsupportedModelError, match=r"exactly one list of 3 decoder layers.*\['h', 'model.layers'\]|h"):
        BaseModel(model)


def test_experts_are_not_supported_and_the_message_says_what_is() -> None:
    base = base_of(
        MixtralConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            num_local_experts=2,
        )
    )

    with pytest.raises((UnsupportedModelError, UnknownSiteError), match="supported here: "):
        base.sites(["down_proj"])
    assert len(base.sites(["o_proj"])) == 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_base_is_frozen_and_in_evaluation_mode(architecture: str) -> None:
    base = tiny_base(architecture)

    assert not any(parameter.requires_grad for parameter in base.model.parameters())
    assert not any(module.training for module in base.model.modules())


def test_a_base_says_what_it_is() -> None:
    base = tiny_base(dtype=torch.bfloat16)

    assert (base.hidden_size, base.vocab_size, base.max_context, len(base.layers)) == (32, VOCABULARY, 512, 3)
    assert (base.dtype, base.device.type) == (torch.bfloat16, "cpu")
    assert base.nbytes == 2 * sum(p.numel() for p in base.model.parameters())


def test_a_base_without_a_tokenizer_says_so_where_text_is_needed() -> None:
    with pytest.raises(InputError, match="loaded without a tokenizer"):
        base_of(ARCHITECTURES["llama"][0]).require_tokenizer()


def test_digests_tell_weights_configurations_and_tokenizers_apart() -> None:
    base = tiny_base()
    other_tokenizer = byte_tokenizer()
    other_tokenizer.chat_template = "{{ messages }}"
    others = [
        tiny_base(seed=1),
        tiny_base("qwen2"),
        BaseModel(tiny_base().model, None),
        BaseModel(tiny_base().model, other_tokenizer),
    ]

    assert base.digest == tiny_base().digest
    assert len({base.digest, *(other.digest for other in others)}) == 5


def test_the_digest_of_tensors_binds_names_shapes_dtypes_and_bytes_but_no_order() -> None:
    a, b = torch.arange(6.0), torch.ones(2)
    digest = digest_tensors([("a", a), ("b", b)])

    assert digest_tensors([("b", b), ("a", a)]) == digest
    assert digest_tensors([("a", a.clone()), ("b", b)]) == digest
    changed = [
        [("a", a), ("c", b)],
        [("a", a.reshape(2, 3)), ("b", b)],
        [("a", a.reshape(2, 3).mT), ("b", b)],
        [("a", a.view(torch.int32)), ("b", b)],
        [("a", a + 1e-6), ("b", b)],
        [("a", a)],
    ]
    assert len({digest, *map(digest_tensors, changed)}) == 7


def test_what_a_tokenizer_was_last_asked_does_not_change_its_digest() -> None:
    tokenizer = byte_tokenizer()
    before = digest_tokenizer(tokenizer)

    tokenizer(["a", "long text"], padding=True, truncation=True, max_length=4)

    assert digest_tokenizer(tokenizer) == before
