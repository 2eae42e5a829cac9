"""Topics: what a document can be about, written as small grammars in text files.

A topic file has one statement a line; blank lines and lines that begin with ``#`` are skipped:

    subject  PATTERN       how the thing that the document is about is named
    refer    a; b; c       how later sentences may refer to it (``surname``: the last word of the name)
    title    PATTERN       a heading of the document
    intro    PATTERN       a first sentence, which no question asks about
    filler   PATTERN       a sentence without facts
    fact     LABEL | SPEC  an attribute and how its value is drawn
    > PATTERN              a sentence that states the fact (follows its fact)
    ? PATTERN              a question whose answer is the value (follows its fact)

In a pattern ``[a|b|]`` is a choice, which may hold choices; ``{S}`` is the subject, ``{V}`` the value, ``{O}`` another
value of the same kind (a distractor), and ``{SPEC}`` any drawn value. ``a(n)`` becomes a or an.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from adapters_core.data.fiction.values import Inventor
from adapters_core.errors import ConfigError

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One attribute of a subject."""

    label: str
    spec: str
    says: tuple[str, ...]
    asks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One kind of thing to write about."""

    kind: str
    subject: str
    refer: tuple[str, ...]
    titles: tuple[str, ...]
    intros: tuple[str, ...]
    fillers: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(kw_only=True)
class _DraftFact:
    label: str
    spec: str
    says: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Draft:
    lists: dict[str, list[str]] = field(default_factory=lambda: {"title": [], "intro": [], "filler": []})
    subject: str = ""
    refer: tuple[str, ...] = ()
    facts: list[_DraftFact] = field(default_factory=list)


def read_topics() -> tuple[Topic, ...]:
    """The topics that come with the package, in the order of their names.

    Raises:
        ConfigError: a topic file is malformed (with file and line).
    """
    folder = resources.files("adapters_core.data.fiction") / "topics"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".txt")), key=lambda file: file.name)
    return tuple(parse_topic(file.name.removesuffix(".txt"), file.read_text(encoding="utf-8")) for file in files)


def parse_topic(kind: str, text: str) -> Topic:
    """Parse one topic file.

    Raises:
        ConfigError: a line is malformed, or a part is missing.
    """
    draft = _Draft()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                _parse_line(draft, line.strip())
            except ValueError as error:
                raise ConfigError(f"{kind}.txt line {number}: {error}, got {line.strip()!r}") from error
    facts = tuple(
        Fact(label=fact.label, spec=fact.spec, says=tuple(fact.says), asks=tuple(fact.asks)) for fact in draft.facts
    )
    if incomplete := [fact.label for fact in facts if not (fact.says and fact.asks)]:
        raise ConfigError(f"{kind}.txt: facts must have a sentence (>) and a question (?), missing for {incomplete}")
    if not (draft.subject and facts and all(draft.lists.values())):
        raise ConfigError(f"{kind}.txt must have a subject, a title, an intro, a filler and facts")
    return Topic(
        kind=kind,
        subject=draft.subject,
        refer=draft.refer,
        titles=tuple(draft.lists["title"]),
        intros=tuple(draft.lists["intro"]),
        fillers=tuple(draft.lists["filler"]),
        facts=facts,
    )


def _parse_line(draft: _Draft, line: str) -> None:
    keyword, _, rest = line.partition(" ")
    rest = rest.strip()
    if not rest:
        raise ValueError("a statement must have a keyword and a value")
    _check_brackets(rest)
    if keyword in draft.lists:
        draft.lists[keyword].append(rest)
    elif keyword == "subject":
        draft.subject = rest
    elif keyword == "refer":
        draft.refer = tuple(part.strip() for part in rest.split(";"))
    elif keyword == "fact":
        label, separator, spec = rest.partition(" | ")
        if not separator:
            raise ValueError("a fact must be LABEL | SPEC")
        draft.facts.append(_DraftFact(label=label.strip(), spec=spec.strip()))
    elif keyword in (">", "?") and draft.facts:
        if keyword == ">" and "{V}" not in rest:
            raise ValueError("a sentence of a fact must hold {V}")
        (draft.facts[-1].says if keyword == ">" else draft.facts[-1].asks).append(rest)
    else:
        raise ValueError(f"a statement must be subject, refer, title, intro, filler, fact, > or ?, not {keyword!r}")


def _check_brackets(pattern: str) -> None:
    plain = _SLOT.sub("", pattern)
    while (shorter := _CHOICE.sub("", plain)) != plain:
        plain = shorter
    if set(plain) & set("[]{}"):
        raise ValueError("brackets and braces must be balanced")


def expand(pattern: str, slots: Mapping[str, str], inventor: Inventor) -> str:
    """One realisation of a pattern as a sentence, first letter in upper case.

    Raises:
        ConfigError: a slot names no generator.
    """
    text = fill(pattern, slots, inventor)
    return text[:1].upper() + text[1:]


def fill(pattern: str, slots: Mapping[str, str], inventor: Inventor) -> str:
    """One realisation of a pattern: choices made, slots filled, articles and spaces put right.

    Raises:
        ConfigError: a slot names no generator.
    """
    while match := _CHOICE.search(pattern):
        pattern = pattern[: match.start()] + inventor.pick(match.group(1).split("|")) + pattern[match.end() :]
    text = _SLOT.sub(lambda match: slots.get(match.group(1)) or inventor.draw(match.group(1)), pattern)
    text = re.sub(r"\b([Aa])\(n\) (?=[\"“]?(\w))", lambda match: _article(match.group(1), match.group(2)), text)
    text = re.sub(r"\bit's\b", "its", re.sub(r"\s+", " ", text)).strip()
    # A value such as "9 a.m." may end the sentence: one full stop is enough.
    return re.sub(r"\s+([,;:?!]|\.(?:\s|$))", r"\1", re.sub(r"(?<!\.)\.\.(?!\.)", ".", text))


def _article(article: str, letter: str) -> str:
    return f"{article}n " if letter.lower() in "aeiou8" else f"{article} "
