"""Small training runs on a tiny base: texts, questions, settings."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.training.loop import TrainingRun
from adapters_core.training.rows import Passage, RowSource
from adapters_core.training.settings import Objective, TrainingSettings
from tests.tiny_model import byte_tokenizer, tiny_base, tiny_config

ALL: Mapping[str, Objective] = {
    "reconstruction": Objective(share=0.3),
    "completion": Objective(share=0.3, distillation=0.5),
    "question": Objective(share=0.2, distillation=0.5),
    "unrelated": Objective(share=0.2, cross_entropy=0.0, distillation=1.0),
}
"""Every objective, and every loss."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question on a context."""

    context: str
    question: str
    answer: str


def passages() -> list[Passage]:
    """Two sources of words that repeat, so that there is something to learn."""
    rng = random.Random(0)
    words = [f"{first}{second}" for first in ("ta", "ko", "mi", "re") for second in ("na", "shi", "ro", "ku")]
    return [Passage(source=f"s{i % 2}", text=" ".join(rng.choices(words, k=60))) for i in range(12)]


def questions(index: int) -> list[Question]:
    """Three questions on the document of an index."""
    rng = random.Random(index)
    prices = {name: rng.randrange(10, 99) for name in ("tea", "rice", "fish")}
    context = " ".join(f"{name} costs {price}." for name, price in prices.items())
    return [Question(context=context, question=f"{name}?", answer=str(price)) for name, price in prices.items()]


def settings(**changes: Any) -> TrainingSettings:
    """Settings of a run of seconds."""
    fields: dict[str, Any] = {
        "objectives": ALL,
        "learning_rate": 3e-3,
        "warmup_steps": 2,
        "batch_rows": 3,
        "context_tokens": (12, 16),
        "target_tokens": 10,
        "max_steps": 6,
        "validate_every": 100,
        "validation_rows": 3,
    }
    return TrainingSettings(**{**fields, **changes})


def rows(chosen: TrainingSettings) -> RowSource:
    """Rows of all objectives."""
    return RowSource(byte_tokenizer(), chosen, passages=passages(), question_examples=questions)


def training_run(folder: Path, *, base: BaseModel | None = None, config: Any = None, **changes: Any) -> TrainingRun:
    """A run from the beginning, on a fresh generator."""
    chosen, base = settings(**changes), base or tiny_base()
    return TrainingRun(
        base=base,
        generator=Generator(config or tiny_config(), base),
        rows=rows(chosen),
        settings=chosen,
        folder=folder,
    )


def weights(generator: Generator) -> dict[str, torch.Tensor]:
    """Copies of the trained tensors."""
    return {name: tensor.detach().clone() for name, tensor in generator.named_site_tensors()}
