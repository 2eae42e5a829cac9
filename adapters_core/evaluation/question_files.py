"""Question files: documents and questions whose gold answers are known, in the formats of public suites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters_core.data.packed import read_json
from adapters_core.data.records import Node
from adapters_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question with its gold answers."""

    id: str
    """Distinct within its suite."""
    question: str
    answers: tuple[str, ...]
    """At least one; any of them is right."""
    remembered: tuple[str, ...] = ()
    """What a model may remember instead, where the document holds a substituted answer; wrong here."""


@dataclass(frozen=True, kw_only=True)
class SuiteDocument:
    """A document and the questions about it."""

    name: str
    """Distinct within its suite."""
    text: str
    questions: tuple[Question, ...]
    """At least one."""


def read_squad(path: Path) -> tuple[SuiteDocument, ...]:
    """Read a file in SQuAD format (plain, gzip or xz), a paragraph a document.

    Raises:
        InputError: the file is missing, or as in :func:`parse_squad`.
        IntegrityError: packed bytes are damaged.
        StorageError: the operating system refuses to read.
    """
    return parse_squad(read_json(path), place=path.name)


def parse_squad(data: object, *, place: str) -> tuple[SuiteDocument, ...]:
    """Documents and questions from JSON data in SQuAD format, a paragraph a document.

    Questions marked impossible (SQuAD 2.0) and paragraphs without any other are left out.

    Args:
        data: as read from JSON.
        place: what messages call it.

    Raises:
        InputError: they are not in the format (with the place), or an id comes twice.
    """
    documents = []
    for article in Node(value=data, place=place).field("data").items():
        title = article.field("title").text()
        paragraphs = list(article.field("paragraphs").items())
        for index, paragraph in enumerate(paragraphs):
            if questions := tuple(_squad_questions(paragraph)):
                name = f"{title}/{index}" if len(paragraphs) > 1 else title
                text = paragraph.field("context").text()
                documents.append(SuiteDocument(name=name, text=text, questions=questions))
    return _checked(documents, place)


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read questions without documents: SQuAD format whose paragraphs have no context.

    Raises:
        InputError: the file is missing or not in the format (with the place).
    """
    articles = Node(value=read_json(path), place=path.name).field("data").items()
    return tuple(
        question
        for article in articles
        for paragraph in article.field("paragraphs").items()
        for question in _squad_questions(paragraph)
    )


def _squad_questions(paragraph: Node) -> Iterator[Question]:
    for qa in paragraph.field("qas").items():
        if qa.has("is_impossible") and qa.field("is_impossible").value is True:
            continue
        answers = tuple(dict.fromkeys(answer.field("text").text() for answer in qa.field("answers").items()))
        if not answers:
            raise InputError(f"{qa.place} must have at least one answer, got none")
        # SQuAD has questions with stray white space at their ends.
        yield Question(id=qa.field("id").text(), question=qa.field("question").text().strip(), answers=answers)


def read_conflicts(path: Path) -> tuple[SuiteDocument, ...]:
    """Read knowledge conflicts: items whose context holds a substituted answer (plain, gzip or xz).

    An item of ``examples`` has ``input`` (``Question: ... Context: ...``), ``target`` and ``target_scores``, where
    the answer before the substitution scores 0. Items of one context become one document.

    Raises:
        InputError: the file is missing or not in the format (with the place).
        IntegrityError: packed bytes are damaged.
        StorageError: the operating system refuses to read.
    """
    by_context: dict[str, list[Question]] = {}
    for index, item in enumerate(Node(value=read_json(path), place=path.name).field("examples").items()):
        asked, separator, context = item.field("input").text().partition("\nContext: ")
        question = asked.strip().removeprefix("Question: ").strip()
        if not separator or not asked.strip().startswith("Question: ") or not context.strip() or not question:
            raise InputError(f"{item.place}.input must be 'Question: ...' and 'Context: ...' on lines of their own")
        answer = item.field("target").text()
        scores = dict(item.field("target_scores").entries())
        by_context.setdefault(context, []).append(
            Question(
                id=f"conflict-{index:05d}",
                question=question,
                answers=(answer,),
                remembered=tuple(text for text, score in scores.items() if score.value == 0 and text != answer),
            )
        )
    documents = [
        SuiteDocument(name=questions[0].id, text=context, questions=tuple(questions))
        for context, questions in by_context.items()
    ]
    return _checked(documents, path.name)


def _checked(documents: Sequence[SuiteDocument], place: str) -> tuple[SuiteDocument, ...]:
    if not documents:
        raise InputError(f"{place} must hold at least one question, got none")
    for kind, names in (
        ("document", [document.name for document in documents]),
        ("question", [question.id for document in documents for question in document.questions]),
    ):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise InputError(f"{place} must name each {kind} once, got {name!r} twice")
            seen.add(name)
    return tuple(documents)
