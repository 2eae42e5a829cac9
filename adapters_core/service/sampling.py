"""Choosing the next token.

A row draws from its own random source, one number a token, and reads nothing of the other rows: what it draws depends
on its seed and its own logits alone.

Shape letters: W words of the vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adapters_core.errors import InputError, NumericalError

MAX_TOP_LOGPROBS = 20
GREEDY = 0.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the tokens of an answer are chosen."""

    temperature: float = 1.0
    """0: the likeliest token."""
    top_p: float = 1.0
    """Draw from the likeliest tokens that together have this probability."""
    seed: int | None = None
    """Of the row's random source; None: a new one each time."""
    top_logprobs: int = 0
    """How many alternatives are reported with each token."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            InputError: a field is out of its bounds.
        """
        if not 0 <= self.temperature <= 2:  # noqa: PLR2004  # the bound of the OpenAI interface
            raise InputError(f"temperature must lie in [0, 2], got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must lie in (0, 1], got {self.top_p}")
        if not 0 <= self.top_logprobs <= MAX_TOP_LOGPROBS:
            raise InputError(f"top_logprobs must lie in 0..{MAX_TOP_LOGPROBS}, got {self.top_logprobs}")

    def random_source(self) -> torch.Generator:
        """A new random source for one row."""
        source = torch.Generator()
        if self.seed is None:
            source.seed()
        else:
            source.manual_seed(self.seed % 2**63)
        return source


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token of an answer."""

    token_id: int
    logprob: float
    """Natural logarithm of its probability, before temperature and top_p."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens with theirs, best first."""


def choose(logits_W: Tensor, sampling: Sampling, source: torch.Generator) -> Token:
    """The next token of a row.

    Raises:
        NumericalError: the logits hold NaN or infinite values.
    """
    logprobs_W = torch.log_softmax(logits_W.float().cpu(), dim=-1)
    if bool(torch.isnan(logprobs_W).any()):  # an infinite logit ends as NaN too; -inf is a word that cannot come
        raise NumericalError("the logits of an answer must be finite: this adapter drives the base out of its range")
    token_id = int(logprobs_W.argmax()) if sampling.temperature == GREEDY else _draw(logprobs_W, sampling, source)
    best, ids = logprobs_W.topk(min(sampling.top_logprobs, logprobs_W.numel()))
    top = tuple(zip(ids.tolist(), best.tolist(), strict=True))
    return Token(token_id=token_id, logprob=float(logprobs_W[token_id]), top=top)


def _draw(logprobs_W: Tensor, sampling: Sampling, source: torch.Generator) -> int:
    number = torch.rand((), generator=source, dtype=torch.float64)
    weights_W, ids_W = torch.softmax(logprobs_W.double() / sampling.temperature, dim=-1).sort(descending=True)
    total_W = weights_W.cumsum(-1)
    # the token that crosses top_p is kept, so at least one always is
    kept = int((total_W - weights_W < sampling.top_p).sum())
    place = int(torch.searchsorted(total_W[:kept], number * total_W[kept - 1], right=True))
    return int(ids_W[min(place, kept - 1)])
