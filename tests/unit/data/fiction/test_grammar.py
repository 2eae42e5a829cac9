"""Topic files are small grammars: every realisation holds what it must, and a malformed line is named."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.data.fiction.grammar import Topic, expand, fill, parse_topic, read_topics
from adapters_core.data.fiction.values import Inventor
from adapters_core.errors import ConfigError

INVENTOR = Inventor(0)
TOPICS = read_topics()
MINIMAL = """
# a comment
subject  the {coined} lamp
refer    the lamp; it
title    {S}
intro    About {S}.
filler   It is bright.

fact price | money 2 90
> {S} costs {V}.
? What does {S} cost?
"""


@given(st.integers(0, 10_000))
def test_a_choice_takes_one_of_its_options(seed: int) -> None:
    assert fill("[a|b|[c|d] e|]x", {}, Inventor(seed)) in {"ax", "bx", "c ex", "d ex", "x"}


def test_every_option_is_taken_some_time() -> None:
    assert {fill("[a|[b|c]|]", {}, INVENTOR) for _ in range(200)} == {"a", "b", "c", ""}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{S} costs {V} .", "The fox costs 9 yen."),
        ("a(n) owl, a(n) {S}, A(n) 8 and a(n) 9", "An owl, a the fox, An 8 and a 9"),
        ("since {S}  [|]came", "Since the fox came"),
        ("it's at {T}.", "Its at 9 a.m."),
        ("wait... {T}", "Wait... 9 a.m."),
    ],
)
def test_slots_articles_and_spaces_are_put_right(pattern: str, text: str) -> None:
    assert expand(pattern, {"S": "the fox", "V": "9 yen", "T": "9 a.m."}, INVENTOR) == text


def test_a_slot_may_name_a_generator() -> None:
    assert re.fullmatch(r"In 19\d\d", expand("in {year 1900 1999}", {}, INVENTOR))
    with pytest.raises(ConfigError, match="no value can be drawn for 'yeer'"):
        expand("in {yeer}", {}, INVENTOR)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.kind)
def test_every_pattern_of_a_topic_can_be_told(topic: Topic) -> None:
    for fact in topic.facts:
        for pattern in (*fact.says, *fact.asks):
            for _ in range(10):
                slots = {"S": "SUBJECT", "V": INVENTOR.draw(fact.spec), "O": INVENTOR.draw(fact.spec)}
                text = expand(pattern, slots, INVENTOR)
                assert not set(text) & set("[]{}|"), text
                assert text[0].isupper() or not text[0].isalpha()
                assert text.endswith((".", "?"))
                if pattern in fact.says:
                    assert slots["V"].rstrip(".").lower() in text.lower(), text
                else:
                    assert "SUBJECT" in text
                    assert slots["V"] not in text
    for pattern in (*topic.titles, *topic.intros, *topic.fillers):
        assert not set(expand(pattern, {"S": "SUBJECT"}, INVENTOR)) & set("[]{}|")


def test_topics_are_many_and_rich() -> None:
    assert len(TOPICS) >= 12
    assert len({topic.kind for topic in TOPICS}) == len(TOPICS)
    assert all(len(topic.facts) >= 8 for topic in TOPICS)
    assert sum(len(fact.says) for topic in TOPICS for fact in topic.facts) >= 300


def test_facts_of_a_topic_have_distinct_labels() -> None:
    for topic in TOPICS:
        assert len({fact.label for fact in topic.facts}) == len(topic.facts), topic.kind


def test_a_minimal_topic_is_read() -> None:
    topic = parse_topic("lamp", MINIMAL)

    assert (topic.kind, topic.subject, topic.refer) == ("lamp", "the {coined} lamp", ("the lamp", "it"))
    assert [(fact.label, fact.spec) for fact in topic.facts] == [("price", "money 2 90")]
    assert topic.facts[0].says == ("{S} costs {V}.",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fact colour", r"line 13: a fact must be LABEL \| SPEC"),
        ("> No value here.", r"line 13: a sentence of a fact must hold \{V\}"),
        ("fakt colour | colour", "must be subject, refer, title"),
        ("title", "must have a keyword and a value"),
        ("? Is it [red|blue?", "must be balanced"),
        ("? Is it red]?", "must be balanced"),
        ("? Is it {V?", "must be balanced"),
        ("fact colour | colour", r"missing for \['colour'\]"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_topic("lamp", MINIMAL + "\n" + line)


@pytest.mark.parametrize("part", ["subject", "title", "intro", "filler"])
def test_a_topic_without_a_part_is_refused(part: str) -> None:
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(part)]

    with pytest.raises(ConfigError, match="must have a subject, a title"):
        parse_topic("lamp", "\n".join(lines))


def test_a_sentence_before_any_fact_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 1"):
        parse_topic("lamp", "> {S} costs {V}.")
