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


def _text_and_questions(question: float, unrelated: float) -> Mapping[str, Objective]:
    text = (1.0 - question - unrelated) / 2
    return MappingProxyType(
        {
            "reconstruction": Objective(share=text),
            "completion": Objective(share=text),
            "question": Objective(share=question, cross_entropy=1.0, distillation=0.0),
            "unrelated": Objective(share=unrelated, cross_entropy=0.0, distillation=1.0),
        }
    )


_TEXT_ONLY = MappingProxyType(
    {
        "reconstruction": Objective(share=0.45),
        "completion": Objective(share=0.45),
        "unrelated": Objective(share=0.1, cross_entropy=0.0, distillation=1.0),
    }
)


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
                summary="SmolLM2-135M on two cores in bf16, hours, resumable day by day",
                config=GeneratorConfig(target_modules=("o_proj",), chunk_tokens=512),
                settings=TrainingSettings(
                    objectives=MappingProxyType(
                        {
                            "reconstruction": Objective(share=0.5),
                            "question": Objective(share=0.35),
                            "unrelated": Objective(share=0.15, cross_entropy=0.0, distillation=1.0),
                        }
                    ),
                    learning_rate=2e-3,
                    batch_rows=8,
                    context_tokens=(64,),
                    target_tokens=64,
                    question_context_tokens=256,
                    max_steps=20_000,
                    validate_every=200,
                    validation_rows=16,
                    time_limit_s=3 * 3600.0,
                    dtype="bfloat16",
                ),
            ),
            Recipe(
                name="smollm2-h200",
                summary="SmolLM2-135M on one H200 in bf16, 20 minutes, about 200 M tokens",
                config=GeneratorConfig(target_modules=("o_proj",), chunk_tokens=512),
                settings=TrainingSettings(
                    objectives=_text_and_questions(question=0.4, unrelated=0.1),
                    learning_rate=1e-3,
                    warmup_steps=100,
                    batch_rows=128,
                    context_tokens=(128, 256, 512),
                    chunks_per_row=(1, 2),
                    target_tokens=256,
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
                    objectives=_text_and_questions(question=0.3, unrelated=0.1),
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
                config=GeneratorConfig(target_modules=("o_proj",), chunk_tokens=512),
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
