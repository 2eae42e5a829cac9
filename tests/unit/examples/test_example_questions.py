"""The fictional question set can be trusted: every answer stands where it says, and no document knows another."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CALENDAR = set(
    re.findall(
        r"\w+",
        "January February March April May June July August September October November December "
        "Monday Mondays Tuesday Wednesday Wednesdays Thursday Friday Fridays Saturday Saturdays Sunday",
    )
)
# Words that are no name by themselves: titles of address, the New Year and a port.
SHARED = CALENDAR | {"Mr", "Mrs", "Ms", "Dr", "New", "Port"}


def read_articles() -> list[dict[str, Any]]:
    articles: list[dict[str, Any]] = json.loads((EXAMPLES / "fictional.json").read_text(encoding="utf-8"))["data"]
    return articles


ARTICLES = read_articles()
QUESTIONS = [(paragraph, qa) for article in ARTICLES for paragraph in article["paragraphs"] for qa in paragraph["qas"]]


def names_in(text: str) -> set[str]:
    """Capitalised words that do not merely begin a sentence, a line or a quotation, and those in quotation marks."""
    text = "\n" + text.replace("# ", "")
    within = re.findall(r"(?<![.!?:] )(?<![.!?:\"]\n)(?<!\n)(?<!\")\b([A-Z][a-z]+(?:-[A-Za-z]+)*)", text)
    return {*within, *re.findall(r'"([A-Z][a-z]+)', text)}


def test_there_are_enough_documents_and_questions() -> None:
    assert len(ARTICLES) >= 24
    assert len(QUESTIONS) >= 240
    assert all(len(paragraph["qas"]) >= 8 for article in ARTICLES for paragraph in article["paragraphs"])


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article["title"])
def test_a_document_equals_its_file_and_has_a_title_and_a_handy_length(article: dict[str, Any]) -> None:
    (paragraph,) = article["paragraphs"]

    assert (EXAMPLES / "contexts" / f"{article['title']}.md").read_bytes().decode() == paragraph["context"]
    assert paragraph["context"].startswith("# ")
    assert 120 <= len(paragraph["context"].split()) <= 400


def test_every_file_is_in_the_question_set() -> None:
    assert {file.stem for file in (EXAMPLES / "contexts").iterdir()} == {article["title"] for article in ARTICLES}


def test_every_answer_stands_at_its_place_as_whole_words() -> None:
    for paragraph, qa in QUESTIONS:
        for answer in qa["answers"]:
            text, start, context = answer["text"], answer["answer_start"], paragraph["context"]
            assert context[start : start + len(text)] == text, qa["id"]
            around = context[start - 1 : start] + context[start + len(text) : start + len(text) + 1]
            assert not re.search(r"\w", around), qa["id"]
            assert 1 <= len(text.split()) <= 6


def test_no_question_gives_its_own_answer_away() -> None:
    for _, qa in QUESTIONS:
        for answer in qa["answers"]:
            assert not re.search(rf"\b{re.escape(answer['text'])}\b", qa["question"], re.IGNORECASE), qa["id"]


def test_questions_and_their_ids_are_distinct() -> None:
    ids = Counter(qa["id"] for _, qa in QUESTIONS)
    questions = Counter(qa["question"].lower() for _, qa in QUESTIONS)

    assert max(ids.values()) == 1
    assert max(questions.values()) == 1
    assert all(qa["question"].endswith("?") for _, qa in QUESTIONS)


def test_a_document_does_not_ask_for_one_answer_twice() -> None:
    for article in ARTICLES:
        answers = Counter(qa["answers"][0]["text"].lower() for qa in article["paragraphs"][0]["qas"])
        assert max(answers.values()) == 1, article["title"]


def test_no_two_documents_share_a_name() -> None:
    seen: dict[str, str] = {}
    for article in ARTICLES:
        for name in names_in(article["paragraphs"][0]["context"]) - SHARED:
            assert seen.setdefault(name, article["title"]) == article["title"], name


def test_unrelated_questions_share_no_name_with_the_documents() -> None:
    data = json.loads((EXAMPLES / "unrelated.json").read_text(encoding="utf-8"))["data"]
    questions = [qa for article in data for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    fictional = set().union(*(names_in(paragraph["context"]) for paragraph, _ in QUESTIONS)) - SHARED

    assert len(questions) >= 20
    assert len({qa["id"] for qa in questions}) == len(questions)
    assert all(answer["text"] for qa in questions for answer in qa["answers"])
    assert not [qa["id"] for qa in questions if names_in(qa["question"]) & (fictional - {"Second"})]


def test_neutral_prose_is_long_enough_and_names_no_document() -> None:
    text = (EXAMPLES / "neutral.txt").read_text(encoding="utf-8")

    assert 2_500 <= len(text.split()) <= 3_500
    assert not re.search(r"Ltd|yen|Japan", text)
    assert len(set(text.split("\n\n"))) == len(text.split("\n\n")) >= 10
