"""What an adapter is asked: the questions of its contexts, and questions that have nothing to do with them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters_core.errors import ContextError
from adapters_core.evaluation.question_files import read_questions
from adapters_core.ledger import vault
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.vault import MasterKey
from adapters_core.service.measures_contract import QuestionIn
from governance.installation import examples_folder

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s*")
_SHORTEST = 24
_MOST_DERIVED = 12
_HALF = 2
_SHORT_SUITE = 12
"""General questions that come with every evaluation; the suite ``retention`` asks all of them."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Questions of one context."""

    context: str
    text: str
    questions: tuple[QuestionIn, ...]
    derived: bool
    """Whether they were made from the text, because whoever submitted it gave none."""


def questions_of(reader: Reader, master: MasterKey, context: str) -> Asked:
    """A context with its questions; their ids name the context, so that those of several do not collide.

    Raises:
        ErasedError: the context was erased.
        ContextError: it has no questions, and no sentence to make one from.
    """
    text = vault.open_text(reader, master, context).decode()
    given = _given(reader, master, context)
    found = given or continuations(text)
    if not found:
        raise ContextError("an evaluation needs questions or whole sentences: submit the context with questions")
    return Asked(
        context=context,
        text=text,
        questions=tuple(
            QuestionIn(id=f"{context[:8]}-{place}", question=question, answers=answers)
            for place, (question, answers) in enumerate(found, start=1)
        ),
        derived=not given,
    )


def continuations(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Sentences of a text, halved: the first half asks for the second. At most twelve, spread over the text."""
    sentences = [part.strip() for part in _SENTENCE_END.split(text)]
    long = [one for one in sentences if len(one) >= _SHORTEST]
    step = max(1, len(long) // _MOST_DERIVED)
    return [_halved(one) for one in long[::step][:_MOST_DERIVED]]


def spread(questions: Sequence[QuestionIn], most: int) -> tuple[QuestionIn, ...]:
    """At most so many of them, evenly from the first to the last: the same ones for every adapter of the context."""
    if len(questions) <= most:
        return tuple(questions)
    return tuple(questions[place * len(questions) // most] for place in range(most))


def general_questions(*, all_of_them: bool) -> tuple[QuestionIn, ...]:
    """Questions that no context answers: what an adapter must not break.

    Raises:
        InputError: the file of the examples is missing.
    """
    path: Path = examples_folder() / "unrelated.json"
    found = read_questions(path)
    chosen = found if all_of_them else found[:_SHORT_SUITE]
    return tuple(QuestionIn(id=one.id, question=one.question, answers=tuple(one.answers)) for one in chosen)


def _given(reader: Reader, master: MasterKey, context: str) -> list[tuple[str, tuple[str, ...]]]:
    if not vault.has_text(reader, context, "questions"):
        return []
    stated: Sequence[dict[str, object]] = json.loads(vault.open_text(reader, master, context, "questions"))
    return [(str(one["question"]), tuple(_answers(one["answers"]))) for one in stated]


def _answers(stated: object) -> list[str]:
    many = stated if isinstance(stated, list) else [stated]
    return [str(one["text"]) if isinstance(one, dict) else str(one) for one in many]


def _halved(sentence: str) -> tuple[str, tuple[str, ...]]:
    words = sentence.split(" ")
    if len(words) > _HALF:
        middle = len(words) // _HALF
        first, second = " ".join(words[:middle]), " ".join(words[middle:])
    else:  # a language that puts no spaces between words
        middle = len(sentence) // _HALF
        first, second = sentence[:middle], sentence[middle:]
    return f"Complete the sentence: {first}", (second,)
