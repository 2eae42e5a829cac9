"""What does a query cost under an unmerged adapter? Peers: the bare base, and the context in the prompt.

First-token time of a question of 32 tokens, and seconds per generated token, the best of interleaved repetitions.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from adapters_core.data.prompts import prompted_ids, question_ids
from adapters_core.modeling.lora import Pairs, applied
from adapters_core.pipeline import GenerationCore
from adapters_core.timing import KEY, document_of, seconds
from benchmarks.reporting import arguments, core_of, report

CONTEXTS = (512, 2048)
QUESTION = "Which depot does clause 12 of the rule book name, and who keeps it on the days after a holiday?"
NEW_TOKENS = 16


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    core = core_of(args)
    rows: list[dict[str, Any]] = []
    for tokens in CONTEXTS:
        document = document_of(core, tokens)
        pairs = core.generate([document], key=KEY).adapter.pairs
        tokenizer = core.base.require_tokenizer()
        short = torch.tensor([question_ids(tokenizer, QUESTION)], device=core.base.device)
        long = torch.tensor([prompted_ids(tokenizer, document.text, QUESTION)], device=core.base.device)
        short_first, long_first = partial(first_token, core, short), partial(first_token, core, long)
        short_more = partial(more_tokens, core, short)
        times = [
            (
                seconds(short_first),
                adapted(core, pairs, short_first),
                seconds(long_first),
                seconds(short_more),
                adapted(core, pairs, short_more),
            )
            for _ in range(args.repeats)
        ]
        bare, adapter, prompt, bare_more, adapter_more = (min(column) for column in zip(*times, strict=True))
        rows.append(
            {
                "context tokens": tokens,
                "bare first token s": bare,
                "adapter / bare, first token": adapter / bare,
                "adapter / bare, 16 tokens": adapter_more / bare_more,
                "prompt / adapter, first token": prompt / adapter,
            }
        )
    report("query", rows, args, core)


def adapted(core: GenerationCore, pairs: Pairs, run: Callable[[], object]) -> float:
    """Time of a run under an adapter that is resident already."""
    with applied(core.base, pairs):
        return seconds(run)


def first_token(core: GenerationCore, ids: torch.Tensor) -> torch.Tensor:
    """The first token of the answer, greedily."""
    hidden = core.base.body(input_ids=ids, use_cache=True)[0]
    token: torch.Tensor = core.base.model.get_output_embeddings()(hidden[:, -1]).argmax(-1)
    return token


def more_tokens(core: GenerationCore, ids: torch.Tensor) -> torch.Tensor:
    """A short greedy answer."""
    answer: torch.Tensor = core.base.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=False,
    )
    return answer


if __name__ == "__main__":
    main()
