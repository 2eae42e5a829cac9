"""The example contexts with their questions."""

import json
from dataclasses import dataclass
from typing import Any

from adapters_core.errors import InputError
from governance.installation import examples_folder

QUESTIONS = 6
"""Of each context: enough for an interval, few enough for a laptop."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A context with questions."""

    name: str
    title: str
    text: str
    questions: tuple[dict[str, Any], ...]


def examples() -> tuple[Example, ...]:
    """All of them, by name.

    Raises:
        InputError: the folder of the examples is missing or damaged.
    """
    folder = examples_folder()
    try:
        asked = {
            document["title"]: [qa for part in document["paragraphs"] for qa in part["qas"]]
            for document in json.loads((folder / "fictional.json").read_bytes())["data"]
        }
        paths = sorted((folder / "contexts").glob("*.md"))
        return tuple(_example(path.stem, path.read_text(encoding="utf-8"), asked.get(path.stem, [])) for path in paths)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"the examples must lie in {folder}, they do not: {error}") from error


def _example(name: str, text: str, asked: list[dict[str, Any]]) -> Example:
    heading = text.lstrip().splitlines()[0].lstrip("# ").strip()
    questions = tuple(
        {"question": one["question"], "answers": list(dict.fromkeys(answer["text"] for answer in one["answers"]))}
        for one in asked[:QUESTIONS]
    )
    return Example(name=name, title=heading[:200], text=text, questions=questions)
