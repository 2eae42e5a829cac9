"""The training losses: what they are, and where their gradients go."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, Gemma2Config, GraniteConfig

from adapters_core.data.batching import TrainingBatch, TrainingRow, collate
from adapters_core.errors import NumericalError, UnsupportedModelError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import applied
from adapters_core.modeling.taps import encode
from adapters_core.training.losses import AdaptedLoss, LossParts, predicted_ids, predicted_logits
from adapters_core.training.settings import Objective
from tests.tiny_model import ARCHITECTURES, byte_tokenizer, tiny_base, tiny_config, tiny_generator
from tests.tiny_training import rows, settings

TOKENIZER = byte_tokenizer()


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture
def generator(base: BaseModel) -> Generator:
    return tiny_generator(base)


def batch_of(objective: str = "completion", *, step: int = 0, chunks: int = 1, count: int = 3) -> TrainingBatch:
    return collate(rows(settings(chunks_per_row=(chunks,))).batch(step, objective=objective, rows=count), 256)


def contexts(batch: TrainingBatch) -> list[list[Tensor]]:
    """Token ids of the chunks of every context, unpadded."""
    ids = [row[mask.bool()] for row, mask in zip(batch.context.ids_BT, batch.context.mask_BT, strict=True)]
    return [ids[start : start + batch.chunks_per_row] for start in range(0, len(ids), batch.chunks_per_row)]


@torch.no_grad()
def pair_loss(base: BaseModel, generator: Generator, batch: TrainingBatch, *, turn: int = 0) -> float:
    """Cross-entropy the long way: each row on its own, under the pairs of its own context, from full logits."""
    states = [
        torch.stack([encode(base, generator, ids_T[None])[0] for ids_T in chunks]).sum(0) for chunks in contexts(batch)
    ]
    total, count = 0.0, 0
    for row, context in enumerate(batch.context_of_row):
        ids_T = batch.target.ids_BT[row][batch.target.mask_BT[row].bool()]
        with applied(base, generator.pairs(states[(context - turn) % len(states)])):
            scores_TW = base.model(ids_T[None]).logits[0].log_softmax(-1)
        for place in batch.target.predicts_BT[row].nonzero().flatten().tolist():
            total, count = total - float(scores_TW[place, ids_T[place + 1]]), count + 1
    return total / count


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_logits_that_predict_are_those_of_the_model(architecture: str) -> None:
    base, batch = tiny_base(architecture), batch_of("question")
    with torch.no_grad():
        whole = base.model(input_ids=batch.target.ids_BT, attention_mask=batch.target.mask_BT).logits

        found = predicted_logits(base, batch.target)

    torch.testing.assert_close(found, whole[batch.target.predicts_BT], atol=1e-5, rtol=1e-5)
    assert len(predicted_ids(batch.target)) == len(found)


@pytest.mark.parametrize("objective", ["reconstruction", "completion", "question", "unrelated"])
@pytest.mark.parametrize("chunks", [1, 3])
def test_the_loss_is_that_under_the_pairs_of_each_rows_own_context(
    base: BaseModel, generator: Generator, objective: str, chunks: int
) -> None:
    batch = batch_of(objective, chunks=chunks)

    found = AdaptedLoss(base, generator)(batch)

    assert found.cross_entropy.item() == pytest.approx(pair_loss(base, generator, batch), abs=1e-4)


def test_controls_are_the_next_context_and_no_adapter(base: BaseModel, generator: Generator) -> None:
    batch = batch_of("question")

    wrong, none = AdaptedLoss(base, generator).controls(batch)

    assert wrong is not None
    assert wrong == pytest.approx(pair_loss(base, generator, batch, turn=1), abs=1e-4)
    assert none == pytest.approx(pair_loss(base, Generator(generator.config, base), batch), abs=1e-4)
    assert len({round(x, 4) for x in (wrong, none, pair_loss(base, generator, batch))}) == 3


def test_a_batch_of_one_context_has_no_wrong_one(base: BaseModel, generator: Generator) -> None:
    drawn = [row for row in rows(settings()).batch(0, objective="question") if row.chunks]
    alone = collate([row for row in drawn if row.chunks == drawn[0].chunks], 256)

    wrong, none = AdaptedLoss(base, generator).controls(alone)

    assert len(alone.context_of_row) > 1
    assert wrong is None
    assert none == pytest.approx(pair_loss(base, Generator(generator.config, base), alone), abs=1e-4)


def test_sequential_training_encodes_each_chunk_under_the_adapter_of_those_before(base: BaseModel) -> None:
    generator = tiny_generator(base, tiny_config(encoding="sequential"))
    batch = batch_of("completion", chunks=3)
    with torch.no_grad():
        states = []
        for chunks in contexts(batch):
            state_NKV = encode(base, generator, chunks[0][None])[0]
            for ids_T in chunks[1:]:
                with applied(base, generator.pairs(state_NKV)):
                    state_NKV = state_NKV + encode(base, generator, ids_T[None])[0]
            states.append(state_NKV)
        with applied(base, [generator.pairs(states[context]) for context in batch.context_of_row]):
            logits_PW = predicted_logits(base, batch.target)
        wanted = nn.functional.cross_entropy(logits_PW, predicted_ids(batch.target))

    found = AdaptedLoss(base, generator)(batch).cross_entropy

    assert found.item() == pytest.approx(float(wanted), abs=1e-4)
    independent = AdaptedLoss(base, tiny_generator(base))(batch).cross_entropy
    assert abs(found.item() - independent.item()) > 1e-4


@pytest.mark.parametrize("encoding", ["independent", "sequential"])
def test_gradients_reach_every_tensor_of_the_generator_and_none_of_the_base(base: BaseModel, encoding: str) -> None:
    generator = tiny_generator(base, tiny_config(encoding=encoding))

    parts = AdaptedLoss(base, generator)(batch_of("completion", chunks=2))
    parts.total(Objective(share=1, distillation=0.5)).backward()

    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert float(parameter.grad.abs().sum()) > 0, name
    assert all(parameter.grad is None for parameter in base.model.parameters())


def test_the_gradient_is_the_slope_of_the_loss(base: BaseModel) -> None:
    generator = tiny_generator(base)
    module, batch = AdaptedLoss(base, generator), batch_of("reconstruction")
    module(batch).cross_entropy.backward()
    rng = torch.Generator().manual_seed(0)
    for tensor in (generator.key_NKD, generator.value_NVD, generator.output_nOV["o_proj"], generator.norm_ND):
        assert tensor.grad is not None
        direction = torch.randn(tensor.shape, generator=rng)
        direction /= direction.norm()
        slope, step = float((tensor.grad * direction).sum()), 0.05
        with torch.no_grad():
            ends = []
            for sign in (1, -1):
                tensor.add_(sign * step * direction)
                ends.append(module(batch).cross_entropy.item())
                tensor.sub_(sign * step * direction)

        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope, rel=0.1, abs=2e-4)


def test_a_teacher_that_sees_the_same_is_not_diverged_from(base: BaseModel) -> None:
    """Unrelated rows under an adapter that does nothing: KL(base || base) = 0."""
    parts = AdaptedLoss(base, Generator(tiny_config(), base))(batch_of("unrelated"))

    assert parts.distillation is not None
    assert parts.distillation.item() == pytest.approx(0.0, abs=1e-7)


def test_the_distillation_is_the_mean_divergence_of_the_predicted_tokens(base: BaseModel, generator: Generator) -> None:
    batch = batch_of("completion")
    assert batch.teacher is not None

    parts = AdaptedLoss(base, generator)(batch)

    with torch.no_grad():
        teacher_PW = predicted_logits(base, batch.teacher).double().softmax(-1)
        states = torch.stack([encode(base, generator, chunks[0][None])[0] for chunks in contexts(batch)])
        with applied(base, [generator.pairs(states[context]) for context in batch.context_of_row]):
            adapted_PW = predicted_logits(base, batch.target).double().softmax(-1)
    divergence_P = (teacher_PW * (teacher_PW / adapted_PW).log()).sum(-1)
    assert parts.distillation is not None
    assert parts.distillation.item() == pytest.approx(float(divergence_P.mean()), rel=1e-3)
    assert float(divergence_P.min()) > 0


def test_the_teacher_is_the_bare_base_and_gets_no_gradient(base: BaseModel, generator: Generator) -> None:
    parts = AdaptedLoss(base, generator)(batch_of("unrelated"))
    other = AdaptedLoss(base, tiny_generator(base, seed=9))(batch_of("unrelated"))

    assert parts.distillation is not None
    assert other.distillation is not None
    assert parts.distillation.requires_grad
    assert parts.distillation.item() != other.distillation.item()


def test_the_total_is_weighted_and_leaves_out_a_teacher_that_is_not_there() -> None:
    both = LossParts(cross_entropy=torch.tensor(2.0), distillation=torch.tensor(3.0))
    alone = replace(both, distillation=None)
    objective = Objective(share=1, cross_entropy=0.5, distillation=2.0)

    assert float(both.total(objective)) == pytest.approx(7.0)
    assert float(alone.total(objective)) == pytest.approx(1.0)


def test_the_gradients_of_micro_batches_average_to_that_of_the_whole_batch(base: BaseModel) -> None:
    """Accumulation: with as many predicted tokens in each part, their mean is the loss of all rows together."""
    source = rows(settings(context_tokens=(14,)))
    drawn = source.batch(1, objective="completion", rows=6)

    def gradients(parts: list[list[TrainingRow]]) -> dict[str, Tensor]:
        generator = tiny_generator(base)
        module = AdaptedLoss(base, generator)
        for part in parts:
            (module(collate(part, 256)).cross_entropy / len(parts)).backward()
        return {name: p.grad.clone() for name, p in generator.named_parameters() if p.grad is not None}

    whole, accumulated = gradients([drawn]), gradients([drawn[:2], drawn[2:4], drawn[4:]])
    for name, gradient in whole.items():
        torch.testing.assert_close(accumulated[name], gradient, atol=1e-5, rtol=1e-3)


def test_rows_in_a_batch_do_not_see_each_other(base: BaseModel, generator: Generator) -> None:
    """The mean over a batch is made of its rows' own losses, whatever stands beside them."""
    drawn = rows(settings()).batch(2, objective="question")
    module = AdaptedLoss(base, generator)

    parts = [(module(collate([row], 256)).cross_entropy, len(row.answer)) for row in drawn]

    mean = sum(loss.item() * count for loss, count in parts) / sum(count for _, count in parts)
    assert module(collate(drawn, 256)).cross_entropy.item() == pytest.approx(mean, abs=1e-4)


def test_mixed_precision_of_a_launcher_does_not_reach_the_state(base: BaseModel, generator: Generator) -> None:
    module, batch = AdaptedLoss(base, generator), batch_of("completion")
    plain = module(batch).cross_entropy.item()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(batch).cross_entropy.item() == plain


def test_a_bfloat16_base_trains_a_float32_generator() -> None:
    base = tiny_base(dtype=torch.bfloat16)
    generator = tiny_generator(base)

    loss = AdaptedLoss(base, generator)(batch_of("completion")).cross_entropy
    loss.backward()

    assert loss.dtype == torch.float32
    assert {p.dtype for p in generator.parameters()} == {torch.float32}
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in generator.parameters())


def test_only_the_generator_and_its_gains_are_trained(base: BaseModel, generator: Generator) -> None:
    module = AdaptedLoss(base, generator)

    assert {id(p) for p in module.parameters()} == {id(p) for p in (module.log_gain_N, *generator.parameters())}


def test_a_gain_is_a_factor_on_the_delta_of_its_site(base: BaseModel, generator: Generator) -> None:
    module, batch = AdaptedLoss(base, generator), batch_of("completion")
    loss = module(batch).cross_entropy
    (slope_N,) = torch.autograd.grad(loss, module.log_gain_N)
    gain_N = torch.linspace(0.5, 2.0, len(generator.sites))
    with torch.no_grad():
        module.log_gain_N[1] = 0.1
        steeper = module(batch).cross_entropy.item()
        module.log_gain_N[1] = -0.1
        flatter = module(batch).cross_entropy.item()
        module.log_gain_N.copy_(gain_N.log())
    changed = module(batch).cross_entropy.item()

    module.fold_gains()

    assert (steeper - flatter) / 0.2 == pytest.approx(float(slope_N[1]), rel=0.1)
    assert abs(changed - loss.item()) > 1e-4
    assert module.log_gain_N.tolist() == [0.0] * len(generator.sites)
    assert module(batch).cross_entropy.item() == pytest.approx(changed, abs=1e-5)
    assert pair_loss(base, generator, batch) == pytest.approx(changed, abs=1e-4)


@pytest.mark.parametrize(
    "config", [Gemma2Config(head_dim=8), GraniteConfig(logits_scaling=8.0)], ids=lambda config: config.model_type
)
def test_a_base_that_changes_its_logits_afterwards_is_refused(config: Gemma2Config | GraniteConfig) -> None:
    sizes = ARCHITECTURES["llama"][0].to_dict()
    for name in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        setattr(config, name, sizes[name])
    config.num_key_value_heads = 2
    config.pad_token_id = config.bos_token_id = config.eos_token_id = 1
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    base = BaseModel(model)
    with pytest.raises(UnsupportedModelError, match="changes its logits after the output embeddings"):
        AdaptedLoss(base, tiny_generator(base))(batch_of())


def test_damaged_weights_are_an_error_of_ours(base: BaseModel) -> None:
    generator = tiny_generator(base)
    with torch.no_grad():
        generator.key_NKD[0, 0, 0] = float("nan")

    with pytest.raises(NumericalError, match="must be finite"):
        AdaptedLoss(base, generator)(batch_of())
