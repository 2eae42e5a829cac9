"""Neutral text under the base and under an adaptation of it.

Shape letters: T tokens, W vocabulary, D hidden.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from adapters_core.data.batching import Ids
from adapters_core.data.tokens import text_ids
from adapters_core.errors import InputError, NumericalError
from adapters_core.evaluation.methods import Adapted
from adapters_core.evaluation.suites import UNRELATED
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import applied

NEUTRAL = UNRELATED.with_name("neutral.txt")
"""Prose of our own that no document is about."""
WINDOW_TOKENS = 256


def read_neutral(path: Path = NEUTRAL) -> str:
    """The neutral text.

    Raises:
        InputError: there is no such file, or it is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"neutral text must be a UTF-8 file, {str(path)!r} is not: {error}") from error


@torch.no_grad()
def log_probabilities(adapted: Adapted, ids: Ids) -> Tensor:
    """Log-probabilities (T x W, float32) of the tokens after the first."""
    base = adapted.base
    with applied(base, adapted.pairs):
        hidden_TD = base.body(input_ids=torch.tensor([ids[:-1]], device=base.device), use_cache=False)[0][0]
    return base.head_logits(hidden_TD).log_softmax(-1)


def mean_kl(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """Mean KL(first || second) per token; rounding may leave a tiny negative number, which is 0.

    Raises:
        NumericalError: a log-probability is not finite.
    """
    total = math.fsum(
        float(nn.functional.kl_div(q_TW, p_TW, reduction="sum", log_target=True))
        for p_TW, q_TW in zip(first, second, strict=True)
    )
    if not math.isfinite(total):
        raise NumericalError("log-probabilities must be finite: the adapter or the base is damaged")
    return max(0.0, total / sum(len(p_TW) for p_TW in first))


def mean_nll(logs: Sequence[Tensor], windows: Sequence[Ids]) -> float:
    """Mean NLL of the windows' tokens after their first, nats per token."""
    total, count = 0.0, 0
    for log_TW, ids in zip(logs, windows, strict=True):
        next_T1 = torch.tensor(ids[1:], device=log_TW.device)[:, None]
        total -= float(log_TW.gather(1, next_T1).sum())
        count += len(ids) - 1
    return total / count


def text_windows(base: BaseModel, text: str, most: int) -> tuple[Ids, ...]:
    """A text's first tokens in windows that overlap by one: ``most`` are predicted in all, each once.

    Raises:
        InputError: fewer than two tokens.
    """
    ids = text_ids(base.require_tokenizer(), text)[: most + 1]
    size = WINDOW_TOKENS if base.max_context is None else min(WINDOW_TOKENS, base.max_context - 1)
    found = tuple(ids[start : start + size + 1] for start in range(0, len(ids) - 1, size))
    if not found:
        raise InputError(f"neutral text must have at least 2 tokens, got {len(ids)}")
    return found
