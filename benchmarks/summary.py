"""docs/benchmarks.md from the JSON results: what was measured, on what, by which code."""

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

`make bench` and `make bench-governance` measure these again and rewrite this page. Times are the best (of the
governance half: the median) of interleaved repetitions; what counts are the ratios, since machines are noisy. One
script a question, in `benchmarks/`.
"""
QUESTIONS = {
    "generation": "How near is generation to one bare forward of the base's body over the same context? "
    "`pairs`: from token ids to the low-rank pairs; `recorded`: from text to an adapter with its manifest. "
    "Goal: at most 1.05 for the pairs; extra memory under a tenth of the base's weights.",
    "query": "What does a query cost under an unmerged adapter? Goals: at most 1.10 of the bare base; a prompt of "
    "2,048 tokens at least 5 times slower to the first token.",
    "swap": "How long does it take to put one resident adapter in the place of another? Goal: under 1 ms.",
    "adaptation": "How long must a LoRA be fine-tuned on a document to reach the gold-answer NLL of the generated "
    "adapter?",
    "recording": "What does it cost to record an adapter (ledger, vault, outbox: three transactions), "
    "against logging the same to MLflow alone in as few calls as its client allows: only a run, with a registered "
    "version and its alias, and the latter over HTTP? Goal: 20 times as fast.",
    "pages": "Are pages as fast over 100,000 adapters and 1,000,000 entries as over 1,000 and 10,000? Medians of whole "
    "requests. Goal: at most 3 times.",
    "verifying": "How long does it take to verify everything, and what came since the last verified checkpoint? Goals: "
    "minutes; milliseconds.",
    "rollback": "How long from the click to the entry that tells what was read back, both adapters resident? Goal: "
    "under 1 s.",
    "gateway": "What does the gateway add to an answer of 32 tokens by the real base? Goal: under 5% of the engine's "
    "time.",
}
NOTES = """Generation was measured with everything else stopped, on two cores. The shipped generator adapts eleven sites
and reads a context up to layer 28 of 30; what that saves is about what its taps and the folding of its sites cost. With
twelve sites, one in the last layer, it had a median of 1.08 at 512 tokens in eleven runs. From 2,048 tokens on a
body that reads in pieces of 512 is the faster one. The random generators, whose thirty sites are in all layers, show
what more sites cost: with R = 256 the goal is not met at 512 tokens. Extra memory is the median of three processes (one
at 8,192 tokens). Query is the best of nine repetitions, on one core with the other one idle, as is swap.
Adaptation: in 32 steps LoRA reached the adapter's NLL on none of three documents; the factor is of those 32, with the
tests running beside.
Nothing was measured on a GPU.

Verifying, rollback and gateway were measured on one core of its own, the other one busy with a model; pages and
recording with nothing else running.

Rollbacks are clicked on a page that was opened before. Without that the first one after a start took 1.9 to 4.0 s
in each of ten earlier runs; in the one that was split, 2.27 of 2.34 s were the web process's first request, not the
worker. On a core shared by up to ten processes two of three runs of 16 had a slowest of 0.51 and 1.17 s. In the
recorded run notices fail in the worker's threads, as people lie in memory there; runs without that fault told no
difference.

What the gateway adds is below the scatter of an answer: the difference of the medians is +87 ms, the median of the
differences -9 ms, of 2.3 s.

Verifying was measured once a size. Its memory is the peak of the process, the filling before included.

Recording an adapter (ledger and outbox) takes a 25th of what MLflow's run alone takes, a 35th with its registry and
an 89th over HTTP, and no less than a 24th as the first of five, after others' work. With its context, sealed in the
vault, and its evaluation it is a 19th, a 21st and a 56th; as the first of five a 15th, 16th and 43rd. So the goal is
met for the adapter by every count, and for all three acts against MLflow with its registry and over HTTP, but not
against a run alone and not as the first after others' work. With files the hash and the synced copy of 12 MB are most
of the time, and MLflow syncs nothing: 1.4 to 2.7 times in one process, 6 to 7 times over HTTP.

The benchmark changed with this measurement: each way has five recordings in a row, in a random order of the ways,
where before it had one. By the earlier one the ledger took 2.7 ms for the adapter and 7.4 ms for all three acts,
against 1.6 and 4.3 ms now (1.9 and 5.5 as the first of five).

Ours is three commits (one each for context, adapter and evaluation, which happen at different times; write-ahead log,
synced at each; together about 1 ms) and 24 statements besides. What each side writes. Ours: the entries with hashes
and tree nodes, the search indexes, the text sealed under a key of its own, three messages; of the files a copy by
digest, synced with its folder. MLflow: tags, parameters and metrics as rows in SQLite with MLflow's defaults, the
text in the clear as an artifact of a run of its own, the files copied and not synced, a version and an alias. The
product writes version and alias at a deployment, not at a recording: the run alone is the nearer peer. The end of the
ledger is remembered by the process that wrote it last: where several write by turns, two more statements are needed
in each transaction.
"""


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for name, question in QUESTIONS.items():
        path = RESULTS / f"{name}.json"
        if not path.is_file():
            continue
        record = json.loads(path.read_text())
        columns = list(record["rows"][0])
        parts += [f"## {name.capitalize()}\n\n{question}\n", line(columns), line(["---"] * len(columns))]
        parts += [line([show(row.get(column)) for column in columns]) for row in record["rows"]]
        libraries = ", ".join(f"{k} {v}" for k, v in record["libraries"].items())
        model = (
            f", {record['dtype']}, {record['threads']} threads; generator `{record['generator'][:16]}`"
            if "generator" in record
            else ""
        )
        parts.append(f"\n{record['device']}{model}; code `{record['code']}`; {libraries}.\n")
    parts.append(NOTES)
    PAGE.write_text("\n".join(parts))
    print(f"written: {PAGE}")


def show(value: object) -> str:
    """A cell's text."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
