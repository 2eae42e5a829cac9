"""How long must a LoRA be fine-tuned on a document to reach the gold-answer NLL that the generated adapter has?

The same questions, the same base; steps are added until the NLL of the adapter is reached or the budget is spent.
"""

from dataclasses import replace
from statistics import fmean
from typing import Any

from adapters_core.evaluation.finetuning import LORA_TRAINING, LoraTuned
from adapters_core.evaluation.runner import choose_methods
from adapters_core.evaluation.suites import load_suite
from benchmarks.reporting import arguments, core_of, report

DOCUMENTS = 3
STEPS = (2, 4, 8, 16, 32)


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    core = core_of(args)
    suite = load_suite("fictional")
    none, generated = (m for m in choose_methods(core, suite, ("none", "adapter")) if m.name != "wrong")
    rows: list[dict[str, Any]] = []
    for document in suite.documents[:DOCUMENTS]:
        with none.adapt(document) as bare:
            bare_nll = fmean(bare.score(document.questions))
        with generated.adapt(document) as ready:
            nll, generation_s = fmean(ready.score(document.questions)), ready.seconds
        reached: int | None = None
        tuned_nll, tuning_s = bare_nll, 0.0
        for steps in STEPS:
            with LoraTuned(base=core.base, training=replace(LORA_TRAINING, steps=steps)).adapt(document) as tuned:
                tuned_nll, tuning_s = fmean(tuned.score(document.questions)), tuned.seconds
            if tuned_nll <= nll:
                reached = steps
                break
        rows.append(
            {
                "document": document.name,
                "NLL bare": bare_nll,
                "NLL adapter": nll,
                "NLL LoRA": tuned_nll,
                "LoRA steps": f"{reached}" if reached else f"> {STEPS[-1]} (not reached)",
                "LoRA s / adapter s": tuning_s / generation_s,
            }
        )
    report("adaptation", rows, args, core)


if __name__ == "__main__":
    main()
