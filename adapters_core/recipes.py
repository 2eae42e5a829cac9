"""Named recipes: a generator's configuration and the settings of its training, ready to be run and varied."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from adapters_core.config import GeneratorConfig
from adapters_core.errors import ConfigError
from adapters_core.training.settings import Objective, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train a generator."""

    name: str
    summary: str
    """One line for people."""
    config: GeneratorConfig
    settings: TrainingSettings
    checkpoint_dtype: str = "float32"
    """float32 resumes exactly; bfloat16 halves what travels."""

    def with_changes(self, **changes: object) -> "Recipe":
        """The same recipe with some settings changed; None keeps the recipe's own.

        Raises:
            ConfigError: a value out of its bounds.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, settings=replace(self.settings, **given))  # type: ignore[arg-type]  # checked by it

    def with_mixture(self, shares: Mapping[str, tuple[float, float | None]]) -> "Recipe":
        """The same recipe with other shares; an objective that is not named is not trained.

        Args:
            shares: share, and weight of the distillation (None: the recipe's own), by objective.

        Raises:
            ConfigError: an unknown objective, or a value out of its bounds.
        """
        if not shares:
            return self
        mixture: dict[str, Objective] = {}
        for name, (share, distillation) in shares.items():
            own = self.settings.objectives.get(name, Objective(share=share))
            kept = own.distillation if distillation is None else distillation
            mixture[name] = replace(own, share=share, distillation=kept)
        return self.with_changes(objectives=mixture)


_TEXT_ONLY = MappingProxyType(
    {
        "reconstruction": Objective(share=0.45),
        "completion": Objective(share=0.45),
        "unrelated": Objective(share=0.1, cross_entropy=0.0, distillation=1.0),
    }
)


def _contexts_and_questions(
    *, reconstruction: float, completion: float, unrelated: float, distillation: float = 1.0
) -> Mapping[str, Objective]:
    return MappingProxyType(
        {
            "reconstruction": Objective(share=reconstruction),
            "completion": Objective(share=completion),
            "question": Objective(share=1.0 - reconstruction - completion - unrelated),
            "unrelated": Objective(share=unrelated, cross_entropy=0.0, distillation=distillation),
        }
    )


_SMOLLM2 = GeneratorConfig(
    target_modules=("down_proj",),
    layers=tuple(range(18, 29)),
    key_size=256,
    value_size=256,
    rank=128,
    chunk_tokens=512,
    value_shift=1,
)
"""The memory of the upper layers: 18 MB in bf16 (docs/training.md has the evidence).

Gradients stop at layer 18, and a context is read no further than to layer 28.
"""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                name="tiny",
                summary="a toy base on any CPU, seconds: for tests and for looking around",
                config=GeneratorConfig(
                    target_modules=("o_proj",), key_size=16, value_size=16, rank=16, alpha=8.0, chunk_tokens=64
                ),
                settings=TrainingSettings(
                    objectives=_TEXT_ONLY,
                    learning_rate=3e-3,
                    warmup_steps=5,
                    batch_rows=4,
                    context_tokens=(24, 32),
                    target_tokens=24,
                    max_steps=30,
                    validate_every=15,
                    validation_rows=8,
                ),
            ),
            Recipe(
                name="smollm2-cpu",
                summary="SmolLM2-135M on one or two cores in bf16, hours, resumable day by day",
                config=_SMOLLM2,
                settings=TrainingSettings(
                    objectives=_contexts_and_questions(
                        reconstruction=0.40, completion=0.02, unrelated=0.38, distillation=10.0
                    ),
                    start_tokens=60_000,
                    learning_rate=1e-3,
                    gain_learning_rate=1e-2,
                    warmup_steps=10,
                    batch_rows=8,
                    context_tokens=(256, 512),
                    target_tokens=64,
                    targets_per_context=4,
                    question_context_tokens=512,
                    max_steps=20_000,
                    validate_every=100,
                    validation_rows=16,
                    time_limit_s=3 * 3600.0,
                    dtype="bfloat16",
                ),
            ),
            Recipe(
                name="smollm2-h200",
                summary="SmolLM2-135M on one H200 in bf16, 20 minutes, about 200 M tokens",
                config=_SMOLLM2,
                settings=TrainingSettings(
                    objectives=_contexts_and_questions(
                        reconstruction=0.40, completion=0.02, unrelated=0.38, distillation=10.0
                    ),
                    start_tokens=200_000,
                    learning_rate=1e-3,
                    gain_learning_rate=1e-2,
                    warmup_steps=100,
                    batch_rows=128,
                    context_tokens=(128, 256, 512),
                    chunks_per_row=(1, 2),
                    target_tokens=256,
                    targets_per_context=4,
                    max_steps=20_000,
                    time_limit_s=20 * 60.0,
                    validate_every=250,
                    checkpoint_every_s=240.0,
                    dtype="bfloat16",
                ),
                checkpoint_dtype="bfloat16",
            ),
            Recipe(
                name="7b-8gpu",
                summary="a 7B base on eight GPUs with accelerate, the published size and rates, about 1 B tokens",
                config=GeneratorConfig(
                    target_modules=("o_proj",), key_size=1024, value_size=1024, rank=128, alpha=64.0, chunk_tokens=1024
                ),
                settings=TrainingSettings(
                    objectives=_contexts_and_questions(reconstruction=0.3, completion=0.3, unrelated=0.1),
                    learning_rate=1e-4,
                    warmup_steps=100,
                    batch_rows=2,
                    accumulation=4,
                    context_tokens=(1024,),
                    chunks_per_row=(2, 4, 7),
                    target_tokens=1024,
                    max_steps=15_000,
                    dtype="bfloat16",
                ),
                checkpoint_dtype="bfloat16",
            ),
            Recipe(
                name="domain",
                summary="fine-tune a shipped generator on a few documents of one domain, minutes",
                config=_SMOLLM2,
                settings=TrainingSettings(
                    objectives=_TEXT_ONLY,
                    learning_rate=2e-4,
                    warmup_steps=10,
                    batch_rows=4,
                    context_tokens=(48, 96),
                    target_tokens=96,
                    max_steps=100,
                    validate_every=50,
                    validation_rows=8,
                ),
            ),
        )
    }
)
"""By name."""


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    try:
        return RECIPES[name]
    except KeyError as error:
        raise ConfigError(f"recipe must be one of {sorted(RECIPES)}, got {name!r}") from error
