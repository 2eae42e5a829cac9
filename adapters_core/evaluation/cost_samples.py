"""One document's cost under every method: seconds measured, operations counted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import torch

from adapters_core.data.batching import Ids
from adapters_core.data.documents import Document
from adapters_core.data.prompts import prompted_ids, question_ids
from adapters_core.evaluation.flops import adapter_flops, body_flops, generation_flops, head_flops
from adapters_core.evaluation.methods import AdapterSource
from adapters_core.evaluation.question_files import SuiteDocument
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

METHODS = ("none", "prompt", "cached", "adapter")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Taken:
    """One document as a method took it in, and its first question."""

    method: str
    adapt_seconds: float
    adapt_flops: int
    kept_bytes: int
    ids: Ids
    """Tokens of the question that are run."""
    prefix: SharedPrefix
    """What was run before them."""
    pairs: Pairs

    def query_flops(self, base: BaseModel) -> int:
        """Of the question up to the first token of its answer."""
        body = body_flops(base, len(self.ids), cached=len(self.prefix.ids))
        return body + adapter_flops(self.pairs, len(self.ids)) + head_flops(base, 1)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One document under one method, measured."""

    method: str
    adapt_seconds: float
    adapt_flops: float
    query_seconds: float
    query_flops: float
    query_tokens: float
    kept_bytes: float


def measure_document(core: AdapterSource, document: SuiteDocument, repeats: int) -> list[Sample]:
    """Adapt to a document and ask its first question under every method; medians over repeats."""
    return [
        Sample(
            method=taken.method,
            adapt_seconds=taken.adapt_seconds,
            adapt_flops=taken.adapt_flops,
            query_seconds=_median(core.base, partial(_query, core.base, taken), repeats),
            query_flops=taken.query_flops(core.base),
            query_tokens=len(taken.ids),
            kept_bytes=taken.kept_bytes,
        )
        for taken in _take(core, document, repeats)
    ]


def _take(core: AdapterSource, document: SuiteDocument, repeats: int) -> Iterator[_Taken]:
    base, tokenizer = core.base, core.base.require_tokenizer()
    question = document.questions[0].question
    bare, prompted = question_ids(tokenizer, question), prompted_ids(tokenizer, document.text, question)
    nothing = SharedPrefix(ids=())
    free = _Taken(method="none", adapt_seconds=0, adapt_flops=0, kept_bytes=0, ids=bare, prefix=nothing, pairs={})
    yield free
    yield replace(free, method="prompt", ids=prompted)
    # the part of the prompt that no question changes
    shared = common_prefix([prompted, prompted_ids(tokenizer, document.text, "\n")])
    prefix = encode_prefix(base, shared)
    yield _Taken(
        method="cached",
        adapt_seconds=_median(base, lambda: encode_prefix(base, shared), repeats),
        adapt_flops=body_flops(base, len(shared)),
        kept_bytes=prefix.nbytes,
        ids=prompted[len(shared) :],
        prefix=prefix,
        pairs={},
    )
    context = [Document(name=document.name, text=document.text)]
    adapter = core.generate(context, key=bytes(32)).adapter
    chunks = [chunk.tokens for chunk in adapter.manifest.identity.added]
    yield _Taken(
        method="adapter",
        adapt_seconds=_median(base, lambda: core.generate(context, key=bytes(32)), repeats),
        adapt_flops=generation_flops(base, core.generator, chunks),
        kept_bytes=adapter.nbytes,
        ids=bare,
        prefix=nothing,
        pairs=adapter.pairs,
    )


@torch.no_grad()
def _query(base: BaseModel, taken: _Taken) -> int:
    """The first token of the answer."""
    with applied(base, taken.pairs):
        rows = padded(base, [taken.ids], None)
        hidden_BTD = continued(base, rows, taken.prefix, taken.prefix.cache(1))
        return int(head_logits(base, hidden_BTD[:, -1]).argmax(-1))


def _median(base: BaseModel, run: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = _now(base)
        run()
        seconds.append(_now(base) - started)
    return median(seconds)


def _now(base: BaseModel) -> float:
    if base.device.type == "cuda":
        torch.cuda.synchronize(base.device)  # launches return before they are done
    return time.perf_counter()
