"""What a model thinks of a gold answer, and what it answers itself, for many questions at once.

    nll = mean over the answer's tokens of -log p(token | prompt, tokens before)          nats per token

The tokens that all prompts of a call begin with (a context, a system message) are run once, and their keys and values
are shared by every row; what follows is padded on the right. Both are exact up to float rounding.

Shape letters: B rows, T tokens, S slots of the cache, P predicted tokens, W vocabulary, D hidden.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from adapters_core.data.batching import Ids
from adapters_core.errors import InputError, NumericalError
from adapters_core.evaluation.shared_prefix import (
    SharedPrefix,
    common_prefix,
    continued,
    encode_prefix,
    head_logits,
    padded,
)
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs, applied
from adapters_core.training.losses import predicted_ids, predicted_logits

BATCH_ROWS = 16
MAX_NEW_TOKENS = 24
Adapters = Pairs | Sequence[Pairs | None]
"""One adapter for all rows ({}: the bare base), or one (None: the bare base) for each row."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A prompt and the answer that should follow it."""

    prompt: Ids
    """At least one token."""
    answer: Ids
    """At least one token."""


@torch.no_grad()
def answer_nll(
    base: BaseModel,
    queries: Sequence[Query],
    *,
    adapters: Adapters | None = None,
    share: bool = True,
    batch_rows: int = BATCH_ROWS,
) -> tuple[float, ...]:
    """Mean negative log-probability of every answer's tokens, in nats per token.

    Args:
        base: the frozen base.
        queries: prompts and answers.
        adapters: see :data:`Adapters`; None: the base as it is adapted now.
        share: run the common beginning of all prompts once (never where rows have adapters of their own).
        batch_rows: most rows of a forward pass.

    Raises:
        InputError: a prompt or an answer is empty, or the number of adapters is another.
        NumericalError: a loss is not finite.
    """
    if any(not query.prompt or not query.answer for query in queries):
        raise InputError("every prompt and every answer must have at least one token")
    losses: dict[int, float] = {}
    for rows, prefix in _batches(base, [q.prompt for q in queries], adapters, share=share, batch_rows=batch_rows):
        chosen = [queries[row] for row in rows]
        with _adapted(base, adapters, rows):
            losses |= dict(zip(rows, _batch_nll(base, chosen, prefix), strict=True))
    if bad := [row for row, loss in losses.items() if not loss < float("inf")]:
        raise NumericalError(f"answers {bad[:5]} have a loss that is not finite: the adapter or the base is damaged")
    return tuple(losses[row] for row in range(len(queries)))


@torch.no_grad()
def greedy_answers(
    base: BaseModel,
    prompts: Sequence[Ids],
    *,
    adapters: Adapters | None = None,
    share: bool = True,
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_rows: int = BATCH_ROWS,
) -> tuple[str, ...]:
    """What the base answers when it always takes the most probable token, as text without special tokens.

    Arguments as in :func:`answer_nll`; an answer ends before an end token, or after ``max_new_tokens``.

    Raises:
        InputError: a prompt is empty, or the base has no tokenizer.
    """
    if any(not prompt for prompt in prompts):
        raise InputError("every prompt must have at least one token")
    tokenizer = base.require_tokenizer()
    answers: dict[int, str] = {}
    rows_at_once = 1 if _outgrows_window(base, prompts, max_new_tokens) else batch_rows
    for rows, prefix in _batches(base, prompts, adapters, share=share, batch_rows=rows_at_once):
        with _adapted(base, adapters, rows):
            found = _batch_greedy(base, [prompts[row] for row in rows], prefix, max_new_tokens)
        for row, ids in zip(rows, found, strict=True):
            answers[row] = str(tokenizer.decode(ids, skip_special_tokens=True)).strip()
    return tuple(answers[row] for row in range(len(prompts)))


def _batches(
    base: BaseModel, prompts: Sequence[Ids], adapters: Adapters | None, *, share: bool, batch_rows: int
) -> list[tuple[list[int], SharedPrefix]]:
    """Rows of like length together, with the beginning that all prompts share."""
    if not prompts:
        return []
    own = adapters is not None and not isinstance(adapters, Mapping)
    if own and len(adapters) != len(prompts):  # type: ignore[arg-type]  # a sequence here
        raise InputError(f"one adapter a row: need {len(prompts)}, got {len(adapters)}")  # type: ignore[arg-type]
    ids = common_prefix(prompts) if share and not own and len(prompts) > 1 else ()
    with _adapted(base, adapters if not own else None, []):
        prefix = encode_prefix(base, ids)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    return [(order[start : start + batch_rows], prefix) for start in range(0, len(order), batch_rows)]


def _adapted(base: BaseModel, adapters: Adapters | None, rows: Sequence[int]) -> AbstractContextManager[None]:
    if adapters is None:
        return applied(base, {})
    return applied(base, adapters if isinstance(adapters, Mapping) else [adapters[row] for row in rows])


def _batch_nll(base: BaseModel, queries: Sequence[Query], prefix: SharedPrefix) -> list[float]:
    skip = len(prefix.ids)
    sequences = padded(base, [q.prompt[skip:] + q.answer for q in queries], [len(q.answer) for q in queries])
    if skip:
        hidden_BTD = continued(base, sequences, prefix, prefix.cache(len(queries)))
        logits_PW = head_logits(base, hidden_BTD[sequences.predicts_BT])
    else:
        logits_PW = predicted_logits(base, sequences)
    losses_P = nn.functional.cross_entropy(logits_PW, predicted_ids(sequences), reduction="none")
    return [float(part.mean()) for part in losses_P.split([len(query.answer) for query in queries])]


def _batch_greedy(
    base: BaseModel, prompts: Sequence[Ids], prefix: SharedPrefix, max_new_tokens: int
) -> list[list[int]]:
    skip, stops = len(prefix.ids), end_tokens(base)
    sequences = padded(base, [prompt[skip:] for prompt in prompts], None)
    cache = prefix.cache(len(prompts))
    hidden_BTD = continued(base, sequences, prefix, cache)
    length_B = sequences.mask_BT.sum(1)
    rows_B = torch.arange(len(prompts), device=base.device)
    next_B = head_logits(base, hidden_BTD[rows_B, length_B - 1]).argmax(-1)
    mask_BS = nn.functional.pad(sequences.mask_BT, (skip, 0), value=1)
    answers: list[list[int]] = [[] for _ in prompts]
    running = set(range(len(prompts)))
    for step in range(max_new_tokens):
        for row in sorted(running):
            token = int(next_B[row])
            running.discard(row) if token in stops else answers[row].append(token)
        if not running or step == max_new_tokens - 1:
            break
        mask_BS = nn.functional.pad(mask_BS, (0, 1), value=1)
        hidden_B1D = base.body(
            input_ids=next_B[:, None],
            attention_mask=mask_BS,
            position_ids=(skip + length_B + step)[:, None],  # padding holds a slot of the cache and no position
            cache=cache,
            use_cache=True,
        )[0]
        next_B = head_logits(base, hidden_B1D[:, 0]).argmax(-1)
    return answers


def end_tokens(base: BaseModel) -> frozenset[int]:
    """Tokens that end an answer: those of the tokenizer and of the model's generation settings."""
    settings = getattr(base.model, "generation_config", None)
    found = [getattr(base.tokenizer, "eos_token_id", None), getattr(settings, "eos_token_id", None)]
    flat = [token for entry in found for token in (entry if isinstance(entry, list) else [entry])]
    return frozenset(int(token) for token in flat if token is not None)


def _outgrows_window(base: BaseModel, prompts: Sequence[Ids], more: int) -> bool:
    """Whether a sliding window would count padding as distance; such prompts run one by one, unpadded."""
    window = getattr(base.model.config.get_text_config(), "sliding_window", None)
    return window is not None and max(map(len, prompts), default=0) + more > window
