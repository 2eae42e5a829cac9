"""Settings of a training run: bounds, the schedule, and their form as JSON."""

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import ConfigError
from adapters_core.training.settings import Objective, TrainingSettings

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("objectives", [{}, {"poetry": Objective(share=1)}, {"completion": Objective(share=0)}]),
        ("learning_rate", [0.0, -1.0, NAN, INF]),
        ("warmup_steps", [-1]),
        ("decay_share", [-0.1, 1.1, NAN]),
        ("weight_decay", [-0.1, NAN, INF]),
        ("gain_learning_rate", [-0.1, NAN, INF]),
        ("gradient_clip", [0.0, NAN]),
        ("batch_rows", [0, -1]),
        ("accumulation", [0]),
        ("context_tokens", [(), (1,), (64, 0)]),
        ("chunks_per_row", [(), (0,)]),
        ("target_tokens", [1]),
        ("targets_per_context", [0]),
        ("questions_per_document", [0]),
        ("question_context_tokens", [1]),
        ("max_steps", [0]),
        ("time_limit_s", [0.0, -1.0, NAN, INF]),
        ("token_limit", [0, -1]),
        ("checkpoint_every_s", [0.0, NAN]),
        ("keep_checkpoints", [0]),
        ("validate_every", [0]),
        ("validation_rows", [0]),
        ("dtype", ["float16", "int8"]),
    ],
)
def test_a_setting_out_of_bounds_is_named(field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=field.rstrip("s")):
            TrainingSettings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", [{"share": -1.0}, {"share": NAN}, {"cross_entropy": -0.5}, {"distillation": INF}])
def test_weights_are_finite_and_not_negative(weights: dict[str, float]) -> None:
    mixture = {"question": Objective(share=1), "completion": Objective(**{"share": 1.0, **weights})}

    with pytest.raises(ConfigError, match="share and weights of 'completion'"):
        TrainingSettings(objectives=mixture)


def test_the_rate_rises_holds_and_falls_to_a_tenth() -> None:
    settings = TrainingSettings(warmup_steps=4, decay_share=0.5)

    assert [settings.rate_factor(step, 0.0) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [settings.rate_factor(9, share) for share in (0.5, 0.75, 1.0, 1.5)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


@given(step=st.integers(0, 100), share=st.floats(0, 2), warmup=st.integers(0, 10), decay=st.floats(0, 1))
def test_the_rate_is_never_zero_nor_above_its_peak(step: int, share: float, warmup: int, decay: float) -> None:
    factor = TrainingSettings(warmup_steps=warmup, decay_share=decay).rate_factor(step, share)

    assert 0 < factor <= 1


@pytest.mark.parametrize("mapping", [dict, MappingProxyType])
def test_settings_are_written_as_plain_json(mapping: type) -> None:
    settings = TrainingSettings(objectives=mapping({"completion": Objective(share=1.0, distillation=0.5)}))

    written = json.loads(json.dumps(settings.to_json()))

    assert written["objectives"] == {"completion": {"share": 1.0, "cross_entropy": 1.0, "distillation": 0.5}}
    assert written["context_tokens"] == [64, 128, 256]
    assert written["time_limit_s"] is None
