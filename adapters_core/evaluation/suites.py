"""Suites: documents with questions whose gold answers are known. For evaluation only, never to train on."""

import random
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from adapters_core.errors import InputError
from adapters_core.evaluation.question_files import (
    Question,
    SuiteDocument,
    read_conflicts,
    read_questions,
    read_squad,
)

__all__ = [
    "EXAMPLES",
    "FICTIONAL",
    "NEUTRAL",
    "UNRELATED",
    "Question",
    "Suite",
    "SuiteDocument",
    "find_examples",
    "load_suite",
    "read_conflicts",
    "read_questions",
    "read_squad",
    "read_unrelated",
]


def find_examples(package: Path, data: Path) -> Path:
    """The folder of examples: beside the package in a checkout, under ``share`` where a wheel is installed."""
    beside = package.parent / "examples"
    return beside if (beside / "fictional.json").is_file() else data / "share" / "ringi" / "examples"


EXAMPLES = find_examples(Path(__file__).resolve().parents[1], Path(sysconfig.get_path("data")))
FICTIONAL = EXAMPLES / "fictional.json"
"""The suite of our own."""
UNRELATED = EXAMPLES / "unrelated.json"
"""General questions that no document answers: what an adapter must not break."""
NEUTRAL = EXAMPLES / "neutral.txt"
"""General English prose, on which an adapter should change nothing."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Documents with questions, in the order of their file."""

    name: str
    """fictional, squad or conflicts."""
    documents: tuple[SuiteDocument, ...]

    @property
    def question_count(self) -> int:
        """Questions of all documents together."""
        return sum(len(document.questions) for document in self.documents)


def load_suite(
    spec: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    questions_per_document: int | None = None,
    max_context_tokens: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Suite:
    """Load a suite, or a sample of it.

    Documents are drawn in an order that the seed alone decides, each with its questions, until there are ``limit``
    questions: a smaller sample is part of a larger one of the same seed.

    Args:
        spec: ``fictional``, ``squad:PATH`` (SQuAD 1.1 or 2.0 format) or ``conflicts:PATH``.
        limit: most questions; None: all.
        seed: of the sample.
        questions_per_document: most questions of one document, the first ones; None: all.
        max_context_tokens: longer documents are left out; needs ``count_tokens``.
        count_tokens: number of tokens of a text.

    Raises:
        InputError: an unknown spec, a file that cannot be read in its format, an option out of its bounds, or no
            document that is short enough.
        IntegrityError: a packed file is damaged.
        StorageError: the operating system refuses to read.
    """
    for name, number in (("limit", limit), ("questions_per_document", questions_per_document)):
        if number is not None and number < 1:
            raise InputError(f"{name} must be at least 1, got {number}")
    if max_context_tokens is not None and count_tokens is None:
        raise InputError("max_context_tokens needs count_tokens, got none")
    name, documents = _read(spec)
    order = list(range(len(documents)))
    random.Random(seed).shuffle(order)
    kept: dict[int, SuiteDocument] = {}
    left = limit
    for place in order:
        if left == 0:
            break
        document = documents[place]
        if max_context_tokens is not None and count_tokens and count_tokens(document.text) > max_context_tokens:
            continue
        questions = document.questions[:questions_per_document][:left]
        kept[place] = replace(document, questions=questions)
        left = None if left is None else left - len(questions)
    if not kept:
        raise InputError(f"{spec} has no document of at most {max_context_tokens} tokens: raise max_context_tokens")
    return Suite(name=name, documents=tuple(kept[place] for place in sorted(kept)))


def _read(spec: str) -> tuple[str, tuple[SuiteDocument, ...]]:
    name, _, path = spec.partition(":")
    if spec == "fictional":
        return name, read_squad(FICTIONAL)
    readers = {"squad": read_squad, "conflicts": read_conflicts}
    if name not in readers or not path:
        raise InputError(f"a suite must be fictional, squad:PATH or conflicts:PATH, got {spec!r}")
    return name, readers[name](Path(path))


def read_unrelated(path: Path = UNRELATED) -> tuple[Question, ...]:
    """General questions for the retention test.

    Raises:
        InputError: the file is missing or not in the format (with the place).
    """
    return read_questions(path)
