"""Training on a context changes a copy, and nothing but a copy."""

from dataclasses import replace

import pytest
import torch

from adapters_core.errors import ConfigError, ContextError, IntegrityError, NumericalError
from adapters_core.evaluation.finetuning import FineTuning, FullyTuned, LoraTuned, fit, tree_sharing_weights, windows
from adapters_core.evaluation.perplexity import text_nll
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.lora import applied
from tests.tiny_model import ARCHITECTURES, tiny_base
from tests.tiny_suite import tiny_suite

BASE = tiny_base()
DOCUMENT = tiny_suite().documents[0]
FAST = FineTuning(steps=12, learning_rate=1e-2)


def base_digest() -> str:
    return digest_tensors(BASE.model.named_parameters())


def test_lora_lowers_the_loss_on_its_context_and_leaves_the_base_alone() -> None:
    before, modules = base_digest(), [type(module) for module in BASE.model.modules()]

    with LoraTuned(base=BASE, training=FAST).adapt(DOCUMENT) as adapted:
        [tuned], [bare] = text_nll(BASE, [DOCUMENT.text], adapters=adapted.pairs), text_nll(BASE, [DOCUMENT.text])
        assert tuned < bare - 0.2
        assert adapted.nbytes == sum(8 * 4 * (p.a_RI.shape[1] + p.b_OR.shape[0]) for p in adapted.pairs.values())
        assert adapted.seconds > 0

    assert base_digest() == before
    assert [type(module) for module in BASE.model.modules()] == modules
    assert not any(parameter.requires_grad for parameter in BASE.model.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_pairs_are_what_peft_trained(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_base(architecture)
    ids_1T = torch.arange(20, 40)[None]
    seen: dict[str, torch.Tensor] = {}

    def spy(model: torch.nn.Module, *args: object) -> None:
        fit(model, *args)  # type: ignore[arg-type]
        with torch.no_grad():
            seen["logits"] = model(input_ids=ids_1T).logits

    monkeypatch.setattr("adapters_core.evaluation.finetuning.fit", spy)
    pairs = LoraTuned(base=base, training=replace(FAST, steps=3)).train(DOCUMENT.text)

    with torch.no_grad(), applied(base, pairs):
        found = base.model(input_ids=ids_1T).logits
    with torch.no_grad():
        bare = base.model(input_ids=ids_1T).logits
    assert torch.allclose(found, seen["logits"], atol=1e-4)
    assert not torch.allclose(found, bare, atol=1e-2)


def test_lora_is_the_same_for_the_same_seed_whatever_ran_before() -> None:
    first = LoraTuned(base=BASE, training=replace(FAST, steps=2)).train(DOCUMENT.text)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    second = LoraTuned(base=BASE, training=replace(FAST, steps=2)).train(DOCUMENT.text)

    assert all(torch.equal(first[path].a_RI, second[path].a_RI) for path in first)
    assert torch.equal(torch.get_rng_state(), state)


def test_full_fine_tuning_lowers_the_loss_and_leaves_the_base_bit_for_bit_itself() -> None:
    before = base_digest()

    with FullyTuned(base=BASE, training=FAST).adapt(DOCUMENT) as adapted:
        assert text_nll(adapted.base, [DOCUMENT.text])[0] < text_nll(BASE, [DOCUMENT.text])[0] - 0.5
        assert adapted.nbytes == BASE.nbytes
        assert base_digest() == before

    assert base_digest() == before


def test_full_fine_tuning_notices_that_the_base_was_written_to() -> None:
    base = tiny_base(seed=3)

    with (  # the error comes from leaving the context
        pytest.raises(IntegrityError, match="must stay"),
        FullyTuned(base=base, training=replace(FAST, steps=1)).adapt(DOCUMENT),
        torch.no_grad(),
    ):
        next(base.model.parameters()).add_(1)


def test_a_half_precision_base_is_trained_in_float32() -> None:
    base = tiny_base(dtype=torch.bfloat16)

    with FullyTuned(base=base, training=replace(FAST, steps=2)).adapt(DOCUMENT) as adapted:
        assert adapted.base.dtype == torch.float32
    with LoraTuned(base=base, training=replace(FAST, steps=2)).adapt(DOCUMENT) as adapted:
        assert {pair.a_RI.dtype for pair in adapted.pairs.values()} == {torch.float32}


def test_a_shared_tree_holds_the_same_tensors_in_other_modules() -> None:
    twin = tree_sharing_weights(BASE.model)

    assert all(a is b for a, b in zip(twin.parameters(), BASE.model.parameters(), strict=True))
    assert not set(map(id, twin.modules())) & set(map(id, BASE.model.modules()))


@pytest.mark.parametrize("window", [3, 7, 64, 4096])
def test_windows_are_even_and_lose_no_token(window: int) -> None:
    ids = BASE.require_tokenizer()(DOCUMENT.text, add_special_tokens=False)["input_ids"]

    pieces = windows(BASE, DOCUMENT.text, window)

    assert [token for piece in pieces for token in piece] == ids
    assert max(map(len, pieces)) <= min(window, 512)
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_a_loss_that_runs_away_is_an_error() -> None:
    with pytest.raises(NumericalError, match="must stay finite"):
        LoraTuned(base=BASE, training=FineTuning(steps=9, learning_rate=1e30)).train(DOCUMENT.text)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"window_tokens": 2}, {"learning_rate": 0.0}, {"gradient_norm": float("inf")}]
)
def test_settings_out_of_their_bounds_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        FineTuning(**{"steps": 1, "learning_rate": 1e-3, **change})  # type: ignore[arg-type]


def test_a_text_of_one_token_cannot_be_trained_on() -> None:
    with pytest.raises(ContextError, match="at least 2 tokens"):
        windows(BASE, "a", 8)
