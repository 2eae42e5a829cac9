"""The start in closed form: what it fills, what it is made of, and that it carries the text before any training."""

import pytest
import torch

from adapters_core.config import GeneratorConfig
from adapters_core.errors import InputError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.folded import folded, normalised
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.taps import encode
from adapters_core.training.initialisation import initialise
from tests.tiny_model import tiny_base, tiny_config
from tests.tiny_training import passages

TEXTS = [tuple(passage.text.encode()[:120]) for passage in passages()]


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


def started(base: BaseModel, config: GeneratorConfig, texts: list[tuple[int, ...]] = TEXTS) -> Generator:
    generator = Generator(config, base)
    initialise(base, generator, texts)
    return generator


def loss(base: BaseModel, generator: Generator, context: tuple[int, ...] | None, text: tuple[int, ...]) -> float:
    """Nats per token of a text under the adapter of a context."""
    ids_1T = torch.tensor([text])
    with torch.no_grad():
        sites, config = len(generator.sites), generator.config
        matrix = torch.zeros(1, sites, config.key_size, config.value_size)
        if context:
            matrix = normalised(generator, encode(base, generator, torch.tensor([context])))
        with folded(base, generator, matrix):
            logits = base.model(input_ids=ids_1T).logits[0, :-1]
    return float(torch.nn.functional.cross_entropy(logits, ids_1T[0, 1:]))


@pytest.mark.parametrize("target", ["o_proj", "down_proj"])
@pytest.mark.parametrize("value_shift", [0, 1])
def test_equal_texts_give_equal_generators(base: BaseModel, target: str, value_shift: int) -> None:
    config = tiny_config(target_modules=(target,), value_shift=value_shift)

    assert started(base, config).digest() == started(base, config).digest()
    assert started(base, config).digest() != started(base, config, TEXTS[3:]).digest()


@pytest.mark.parametrize("target", ["o_proj", "down_proj"])
def test_a_text_is_likelier_under_its_own_adapter_than_under_any_other(base: BaseModel, target: str) -> None:
    """A random base predicts nothing, so the best start there is cannot do much; but it does it for the right text."""
    generator = started(base, tiny_config(target_modules=(target,), value_shift=1, alpha=16.0))
    first, second = TEXTS[0][:24], TEXTS[1][:24]

    own = loss(base, generator, first, first) + loss(base, generator, second, second)
    other = loss(base, generator, second, first) + loss(base, generator, first, second)
    none = loss(base, generator, None, first) + loss(base, generator, None, second)

    assert own < min(other, none) - 0.01


def test_the_means_of_the_activations_find_nothing(base: BaseModel) -> None:
    generator = started(base, tiny_config(target_modules=("o_proj",), value_shift=1))
    inputs: list[torch.Tensor] = []
    with torch.no_grad():
        for text in TEXTS:
            h_TD = base.body(input_ids=torch.tensor([text]), output_hidden_states=True).hidden_states[0][0]
            inputs.append((h_TD / (h_TD.square().mean(-1, keepdim=True) + 1e-6).sqrt())[1:])
    mean_D = torch.cat(inputs).mean(0)

    for tensor in (generator.key_NKD[0], generator.value_NVD[0]):
        assert float((tensor.detach() @ mean_D).norm()) < 1e-3 * float(tensor.detach().norm() * mean_D.norm())


def test_more_directions_than_the_base_has_are_zeros(base: BaseModel) -> None:
    size = base.hidden_size + 4
    generator = started(base, tiny_config(target_modules=("o_proj",), key_size=size, value_size=size))

    assert not generator.key_NKD.detach()[:, base.hidden_size :].any()
    assert bool(torch.isfinite(generator.key_NKD).all())


def test_too_little_text_is_refused_and_changes_nothing(base: BaseModel) -> None:
    generator = Generator(tiny_config(), base)
    before = generator.digest()

    with pytest.raises(InputError, match="at least 64 tokens"):
        initialise(base, generator, [(1, 2, 3), (4,)])

    assert generator.digest() == before
