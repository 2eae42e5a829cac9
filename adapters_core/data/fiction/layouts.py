"""Forms of writing: the same statements as prose, as a list, a sheet, a letter or an interview."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters_core.data.fiction import lexicon
from adapters_core.data.fiction.values import Inventor


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A fact as it is told, or a sentence without one."""

    sentence: str
    label: str | None = None
    value: str | None = None
    question: str | None = None
    """Another wording than the one that is asked in training."""

    @property
    def pair(self) -> tuple[str, str] | None:
        """Label and value, where there is a fact."""
        return (self.label, self.value) if self.label and self.value else None


Layout = Callable[[Inventor, str, Sequence[Statement]], str]

_STARTERS = (
    "In addition, ",
    "Moreover, ",
    "As a matter of fact, ",
    "By the way, ",
    "Besides, ",
    "It is also worth knowing that ",
    "According to the same source, ",
    "For the record, ",
    "To be exact, ",
    "Note that ",
    "Of course, ",
    "As far as we know, ",
)
_LOWERED = re.compile(
    r"(?:The|It|Its|A|An|This|These|They|In|On|At|Each|Every|For|From|With|Until|To|If|As|After|Visitors|Students)\b"
)


def write_prose(inventor: Inventor, title: str, statements: Sequence[Statement]) -> str:
    """Paragraphs of a few sentences, some with a connecting phrase."""
    paragraphs: list[list[str]] = [[]]
    for place, statement in enumerate(statements):
        if len(paragraphs[-1]) >= inventor.random.randint(2, 6):
            paragraphs.append([])
        connected = place > 0 and inventor.chance(0.2) and _LOWERED.match(statement.sentence)
        paragraphs[-1].append(_connect(inventor, statement.sentence) if connected else statement.sentence)
    heading = inventor.pick((f"# {title}\n\n", f"{title}\n\n", f"## {title}\n\n", ""))
    return heading + "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)


def write_lines(inventor: Inventor, title: str, statements: Sequence[Statement]) -> str:
    """One sentence a line, numbered or with bullets."""
    mark = inventor.pick(("{}. ", "({}) ", "- ", "* ", "§ {} ", "• "))
    lines = [mark.format(number) + statement.sentence for number, statement in enumerate(statements, 1)]
    return f"{inventor.pick(('# ', '', '** '))}{title}\n\n" + "\n".join(lines)


def write_sheet(inventor: Inventor, title: str, statements: Sequence[Statement]) -> str:
    """Label and value on a line of their own, or as a table; other sentences before."""
    pairs = [statement.pair for statement in statements if statement.pair]
    rest = " ".join(statement.sentence for statement in statements if not statement.pair)
    if inventor.chance(0.4):
        rows = [f"| {label[:1].upper()}{label[1:]} | {value} |" for label, value in pairs]
        body = "\n".join(["| Item | Value |", "| --- | --- |", *rows])
    else:
        mark, between = inventor.pick(("", "- ", "* ")), inventor.pick((": ", " = ", " - ", ": "))
        body = "\n".join(f"{mark}{label[:1].upper()}{label[1:]}{between}{value}" for label, value in pairs)
    return f"# {title}\n\n{rest}\n\n{body}" if rest else f"{title}\n\n{body}"


def write_letter(inventor: Inventor, title: str, statements: Sequence[Statement]) -> str:
    """A letter or a memo around the prose."""
    writer, reader = inventor.draw("name"), inventor.draw("name")
    body = " ".join(statement.sentence for statement in statements)
    if inventor.chance(0.5):
        date = f"{inventor.random.randint(1, 28)} {inventor.pick(lexicon.MONTHS)}"
        return f"From: {writer}\nTo: {reader}\nDate: {date}\nSubject: {title}\n\n{body}"
    greeting = inventor.pick((f"Dear {reader},", f"Hello {reader.split()[0]},", "Dear colleagues,"))
    closing = inventor.pick(("Kind regards", "Yours sincerely", "See you soon", "With best wishes"))
    return f"{greeting}\n\n{body}\n\n{closing}\n{writer}"


def write_interview(inventor: Inventor, title: str, statements: Sequence[Statement]) -> str:
    """Questions and answers, or a conversation."""
    asker, teller = inventor.pick(("Q|A", "Visitor|Guide", "Reporter|Expert", "Trainee|Manager")).split("|")
    lines = []
    for statement in statements:
        if statement.question:
            lines.append(f"{asker}: {statement.question}")
        lines.append(f"{teller}: {statement.sentence}")
    return f"# {title}\n\n" + "\n".join(lines)


LAYOUTS: tuple[tuple[Layout, float], ...] = (
    (write_prose, 0.56),
    (write_lines, 0.16),
    (write_sheet, 0.12),
    (write_letter, 0.1),
    (write_interview, 0.06),
)
"""Forms and how often each is used."""


def _connect(inventor: Inventor, sentence: str) -> str:
    return inventor.pick(_STARTERS) + sentence[:1].lower() + sentence[1:]
