"""docs/benchmarks.md from the JSON results: what was measured, on what, by which code."""

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

`make bench` measures these again and rewrites this page. Times are the best of interleaved repetitions; what counts are
the ratios, since machines are noisy. One script a question, in `benchmarks/`.
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
}


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
        parts.append(
            f"\n{record['device']}, {record['dtype']}, {record['threads']} threads; generator "
            f"`{record['generator'][:16]}`, code `{record['code']}`; {libraries}.\n"
        )
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
