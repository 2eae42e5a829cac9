"""Composing documents: subjects, their facts, a form of writing, and questions that the text answers."""

import math
import re
from dataclasses import dataclass

from adapters_core.data.fiction.grammar import Fact, Topic, expand, fill
from adapters_core.data.fiction.layouts import LAYOUTS, Statement
from adapters_core.data.fiction.values import Inventor

SHORTEST, LONGEST = 60, 600
"""Words of an invented document, from about to about; short ones are as frequent as long ones in ratio."""
_MOST_QUESTIONS = 8
_TRIES = 8
_SAME_TOPIC = 0.6  # a second subject of the same kind is the strongest distractor
_PRONOUNS = ("it", "they")
_OPENINGS = (
    "According to the text, {}",
    "In the document, {}",
    "Please answer: {}",
    "Tell me: {}",
    "A short question: {}",
    "{} Answer briefly.",
    "{} Give only the answer.",
    "I would like to know: {}",
)
_INTERROGATIVE = re.compile(r"(?:What|When|Where|Which|Who|Whose|Whom|How|Why|In|At|On|By|To|From|For|Of|With|Under)\b")


@dataclass(frozen=True, kw_only=True)
class _Section:
    text: str
    questions: tuple[tuple[str, str, str], ...]
    """Question, answer, kind."""


def invent_document(inventor: Inventor, topics: tuple[Topic, ...]) -> tuple[str, list[tuple[str, str, str]]]:
    """One document and questions about it.

    Sections about invented subjects follow one another until a drawn length is reached; those of one kind are each
    other's distractors.

    Returns:
        The text, and (question, answer, kind) for some of its facts; each answer stands in the text.
    """
    target = math.exp(inventor.random.uniform(math.log(SHORTEST), math.log(LONGEST * 0.85)))
    sections: list[_Section] = []
    told: set[str] = set()
    topic = inventor.random.choice(topics)
    while not sections or sum(len(section.text.split()) for section in sections) < target:
        left = target - sum(len(section.text.split()) for section in sections)
        sections.append(_invent_section(inventor, topic, left, told))
        topic = topic if inventor.chance(_SAME_TOPIC) else inventor.random.choice(topics)
    inventor.random.shuffle(sections)
    questions = [question for section in sections for question in section.questions]
    inventor.random.shuffle(questions)
    kept = max(2, round(len(questions) * inventor.random.uniform(0.4, 0.9)))
    return "\n\n".join(section.text for section in sections), questions[: min(kept, _MOST_QUESTIONS)]


def _invent_section(inventor: Inventor, topic: Topic, words: float, told: set[str]) -> _Section:
    subject = _new_subject(inventor, topic, told)
    facts = list(topic.facts)
    inventor.random.shuffle(facts)
    # A sentence has some 13 words; a section of its own has at least four facts.
    wanted = max(4, min(len(facts), round(words / 13 * inventor.random.uniform(0.6, 1.1))))
    statements: list[Statement] = []
    questions: list[tuple[str, str, str]] = []
    if inventor.chance(0.6):
        statements.append(Statement(sentence=expand(inventor.pick(topic.intros), {"S": subject}, inventor)))
    for fact in facts[:wanted]:
        value, other = _new_value(inventor, fact, told), _new_value(inventor, fact, told)
        if value is None or other is None:
            continue
        statement, asked = _tell(inventor, topic, fact, {"S": subject, "V": value, "O": other}, first=not statements)
        statements.append(statement)
        questions.append((asked, statement.value or "", topic.kind))
        filler = expand(inventor.pick(topic.fillers), {"S": subject}, inventor)
        if inventor.chance(0.15) and filler not in told:
            told.add(filler)
            statements.append(Statement(sentence=filler))
    title = expand(inventor.pick(topic.titles), {"S": subject}, inventor)
    layouts, weights = zip(*LAYOUTS, strict=True)
    text = inventor.random.choices(layouts, weights)[0](inventor, title, statements)
    if subject.lower() not in text.lower():
        text = f"{subject[:1].upper()}{subject[1:]}\n\n{text}"
    return _Section(text=text, questions=tuple(question for question in questions if question[1] in text))


def _tell(inventor: Inventor, topic: Topic, fact: Fact, slots: dict[str, str], *, first: bool) -> tuple[Statement, str]:
    """A fact as a statement, and a question for it."""
    pattern, value = inventor.pick(fact.says), slots["V"]
    subject = slots["S"] if first else _refer(inventor, topic, slots["S"], pattern)
    sentence = expand(pattern, {**slots, "S": subject}, inventor)
    if value not in sentence:  # the sentence begins with the value, now in upper case
        value = value[:1].upper() + value[1:]
    asked, also_asked = (expand(inventor.pick(fact.asks), slots, inventor) for _ in range(2))
    statement = Statement(sentence=sentence, label=fact.label, value=value, question=also_asked)
    return statement, _word(inventor, asked)


def _new_value(inventor: Inventor, fact: Fact, told: set[str]) -> str | None:
    """A value that this document has not told for such a fact, so that a question has one answer."""
    for _ in range(_TRIES):
        value = inventor.draw(fact.spec)
        if (entry := f"{fact.label}: {value.lower()}") not in told:
            told.add(entry)
            return value
    return None


def _new_subject(inventor: Inventor, topic: Topic, told: set[str]) -> str:
    subject = fill(topic.subject, {}, inventor)
    while subject in told:
        subject = fill(topic.subject, {}, inventor)
    told.add(subject)
    return subject


def _refer(inventor: Inventor, topic: Topic, subject: str, pattern: str) -> str:
    """The subject by its name or, further on in a text, in other words."""
    if not topic.refer or inventor.chance(0.55):
        return subject
    words = inventor.pick(topic.refer)
    if words == "surname":
        return subject.rsplit(maxsplit=1)[-1]
    return subject if words in _PRONOUNS and not pattern.startswith("{S}") else words


def _word(inventor: Inventor, question: str) -> str:
    """The question as it is, or within a phrase."""
    if not inventor.chance(0.15):
        return question
    opening = inventor.pick(_OPENINGS)
    lowered = question[:1].lower() + question[1:]
    fits = not opening.startswith("{}") and _INTERROGATIVE.match(question)
    return opening.format(lowered if fits else question)
