"""The generator's configuration: its bounds, and its form as JSON."""

import json

import pytest

from adapters_core.canonical import canonical_bytes
from adapters_core.config import GeneratorConfig
from adapters_core.errors import ConfigError


def test_the_defaults_are_in_bounds() -> None:
    config = GeneratorConfig()

    assert config.scale == config.alpha / config.value_size


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_modules", ()),
        ("target_modules", "o_proj"),
        ("target_modules", ("o_proj", "o_proj")),
        ("target_modules", ("o_proj", "")),
        ("target_modules", ("o_proj", 3)),
        ("target_modules", ["o_proj"]),
        ("layers", ()),
        ("layers", (0, -1)),
        ("layers", (1, 1)),
        ("layers", (1.0,)),
        ("layers", ("0",)),
        ("layers", [0]),
        ("key_size", 0),
        ("key_size", 2.5),
        ("key_size", True),
        ("value_size", -3),
        ("rank", 0),
        ("rank", -1),
        ("rank", "8"),
        ("rank", 129),
        ("chunk_tokens", 1),
        ("chunk_tokens", 0),
        ("encoding", "parallel"),
        ("alpha", 0.0),
        ("alpha", -1.0),
        ("alpha", float("inf")),
        ("alpha", float("nan")),
        ("norm_eps", 0.0),
        ("norm_eps", 1.0),
        ("rank_tolerance", 0.0),
        ("rank_tolerance", 1.0),
        ("rank_tolerance", float("nan")),
    ],
)
def test_a_field_out_of_bounds_is_named(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        GeneratorConfig(**{field: value})  # type: ignore[arg-type]


def test_the_rank_is_at_most_the_smaller_side() -> None:
    assert GeneratorConfig(key_size=8, value_size=32, rank=8).rank == 8
    with pytest.raises(ConfigError, match=r"min\(key_size, value_size\) = 8, got 9"):
        GeneratorConfig(key_size=8, value_size=32, rank=9)


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(),
        GeneratorConfig(
            target_modules=("o_proj", "down_proj"), layers=(3, 1), encoding="sequential", alpha=3.5, rank=4
        ),
    ],
)
def test_json_gives_the_configuration_back(config: GeneratorConfig) -> None:
    assert GeneratorConfig.from_json(json.loads(canonical_bytes(config.to_json()))) == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"surprise": 1}, "unknown fields"),
        ({"rank": 0}, "rank"),
        ({"alpha": "x"}, "wrong type"),
        ({"layers": [0, "x"]}, "layers"),
    ],
)
def test_json_that_is_no_configuration_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GeneratorConfig.from_json(data)
