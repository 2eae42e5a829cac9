"""Questions to train on: invented documents whose facts no model can know, and labelled abstracts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters_core.data.fiction.composition import invent_document
from adapters_core.data.fiction.grammar import read_topics
from adapters_core.data.fiction.values import Inventor
from adapters_core.data.packed import read_json
from adapters_core.data.records import Node
from adapters_core.errors import ConfigError, InputError


@dataclass(frozen=True, kw_only=True)
class QuestionExample:
    """A question about a context, to train on."""

    context: str
    question: str
    answer: str
    """Stands in the context word for word, except where the kind says otherwise."""
    kind: str
    """The topic of the document's section that is asked about, or ``pubmedqa``."""


def fictional_examples(seed: int, count: int) -> Iterator[QuestionExample]:
    """Invented documents with questions, one example after another, those of a document in a row.

    A longer series of the same seed begins with the shorter one.

    Args:
        seed: decides everything.
        count: number of examples.

    Raises:
        ConfigError: ``count`` is negative, or a topic file of the package is malformed.
    """
    if count < 0:
        raise ConfigError(f"count must be at least 0, got {count}")
    topics = read_topics()
    inventor = Inventor(seed)
    made = 0
    while made < count:
        context, questions = invent_document(inventor, topics)
        for question, answer, kind in questions[: count - made]:
            made += 1
            yield QuestionExample(context=context, question=question, answer=answer, kind=kind)


def document_examples(seed: int, *, most: int = 16) -> tuple[QuestionExample, ...]:
    """The questions on one invented document, at most so many: the document of a seed is always the same."""
    examples = tuple(fictional_examples(seed, most))
    return tuple(example for example in examples if example.context == examples[0].context)


def read_pubmedqa(path: Path, *, answer: Literal["decision", "conclusion"] = "decision") -> tuple[QuestionExample, ...]:
    """Read labelled PubMedQA (plain, gzip or xz): abstracts without their conclusion, and a question.

    The answer is ``yes``, ``no`` or ``maybe``, or the conclusion in full sentences: neither stands in the context
    word for word.

    Raises:
        InputError: the file is missing or not in the format (with the place).
        IntegrityError: packed bytes are damaged.
        StorageError: the operating system refuses to read.
    """
    name = {"decision": "final_decision", "conclusion": "LONG_ANSWER"}[answer]
    examples = tuple(
        QuestionExample(
            context="\n\n".join(part.text() for part in entry.field("CONTEXTS").items()),
            question=entry.field("QUESTION").text().strip(),
            answer=entry.field(name).text().strip(),
            kind="pubmedqa",
        )
        for _, entry in Node(value=read_json(path), place=path.name).entries()
    )
    if not examples:
        raise InputError(f"{path.name} must hold at least one abstract, got none")
    return examples
