"""Times of generation against its physical limit: one bare forward pass of the base's body over the same context."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

from adapters_core.data.documents import Document
from adapters_core.data.tokens import text_ids, text_spans
from adapters_core.pipeline import GenerationCore

KEY = bytes(32)
"""A fixed key: timing needs no secret."""


@dataclass(frozen=True, kw_only=True)
class GenerationTime:
    """Best times of interleaved repetitions, in seconds."""

    tokens: int
    body_s: float
    """One forward pass of the base's body over the whole context, no cache, no logits."""
    adapter_s: float
    """From token ids to the low-rank pairs."""
    recorded_s: float
    """From text to an adapter with its manifest: tokenizing, commitments, norms and digests included."""

    @property
    def ratio(self) -> float:
        """adapter / body."""
        return self.adapter_s / self.body_s

    @property
    def recorded_ratio(self) -> float:
        """recorded / body."""
        return self.recorded_s / self.body_s

    def to_json(self) -> dict[str, object]:
        """As plain JSON data."""
        return {**asdict(self), "ratio": self.ratio, "recorded_ratio": self.recorded_ratio}


def generation_ratios(core: GenerationCore, lengths: Sequence[int], *, repeats: int = 5) -> list[GenerationTime]:
    """Time the generation of contexts of given lengths.

    Args:
        core: base and generator.
        lengths: tokens of the contexts.
        repeats: repetitions; body and generation take turns, so that both see the same machine.
    """
    rows = []
    for tokens in lengths:
        document = document_of(core, tokens)
        ids = [chunk.token_ids for chunk in core.chunks([document])]
        whole_1T = torch.tensor([[i for chunk in ids for i in chunk]], device=core.base.device)
        runs: tuple[Callable[[], object], ...] = (
            lambda whole_1T=whole_1T: core.base.body(input_ids=whole_1T, use_cache=False),  # type: ignore[misc]
            lambda ids=ids: core.pairs_of(ids),  # type: ignore[misc]
            lambda document=document: core.generate([document], key=KEY),  # type: ignore[misc]
        )
        best = [min(times) for times in zip(*([seconds(run) for run in runs] for _ in range(repeats)), strict=True)]
        rows.append(GenerationTime(tokens=whole_1T.shape[1], body_s=best[0], adapter_s=best[1], recorded_s=best[2]))
    return rows


def document_of(core: GenerationCore, tokens: int) -> Document:
    """A document of about so many tokens of plain English, the same on every machine."""
    tokenizer = core.base.require_tokenizer()
    sentences = (f"Clause {n} of the rule book names depot {n * 37 % 101} and its keeper. " for n in range(10**6))
    text = ""
    while len(text_ids(tokenizer, text)) < tokens:
        text += "".join(next(sentences) for _ in range(max(1, tokens // 64)))
    _, spans = text_spans(tokenizer, text)
    return Document(name="bench", text=text[: spans[tokens - 1][1]])


@torch.no_grad()
def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call, the device's queue drained before and after."""
    _drain()
    started = time.perf_counter()
    run()
    _drain()
    return time.perf_counter() - started


def _drain() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
