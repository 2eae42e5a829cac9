"""Training questions are diverse, answerable from their context, and have nothing in common with the evaluation set."""

import importlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters_core.data.examples import QuestionExample, fictional_examples, read_pubmedqa
from adapters_core.data.fiction import lexicon
from adapters_core.data.fiction.values import LOCALES
from adapters_core.errors import ConfigError, InputError

EXAMPLES = list(fictional_examples(11, 4_000))
CONTEXTS = list(dict.fromkeys(example.context for example in EXAMPLES))
EVALUATION = json.loads((Path(__file__).resolve().parents[3] / "examples" / "fictional.json").read_text())["data"]
PARAGRAPHS = [paragraph for article in EVALUATION for paragraph in article["paragraphs"]]
# Ordinary words that the evaluation set writes in upper case within names; no one is called so.
ORDINARY = frozenset(
    re.findall(
        r"\w+",
        "affairs agency april assurance bank bay bedding bicycles bridge cape castings catering centre "
        "ceramics chemical civic cleaning crab director drum dr elder elementary expense fibre foods fund "
        "gate general glass hall hermit holdings institute island kitchen ladder ledger life lighthouse "
        "lighting line little logistics materials middle minor morning moulding mount mr mrs ms mutual new "
        "notice optical paper partners pharmaceutical port press product quiet recycling regulation release "
        "rock rolling safety school second settings shipping sister sisters soft starch stock storage studio "
        "supervisor taxi tea three travel trust valve well wire works year europe bistro ",
    )
)
CALENDAR = frozenset(day.lower() for day in (*lexicon.MONTHS, *lexicon.WEEKDAYS))
CALENDAR |= {f"{day.lower()}s" for day in lexicon.WEEKDAYS}


def evaluation_names() -> set[str]:
    """Capitalised words of the evaluation set that do not merely begin a sentence."""
    names: set[str] = set()
    for paragraph in PARAGRAPHS:
        text = "\n" + paragraph["context"].replace("# ", "")
        names.update(re.findall(r"(?<![.!?:] )(?<![.!?:\"]\n)(?<!\n)(?<!\")\b([A-Z][a-z]+)", text))
        names.update(re.findall(r'"([A-Z][a-z]+)', text))
    return {name for name in names if name.lower() not in ORDINARY | CALENDAR}


NAMES = evaluation_names()


def composable_names() -> Iterator[str]:
    """Every name that the lexicon and the name lists can ever give."""
    western = (lexicon.ONSETS, lexicon.VOWELS, lexicon.MIDDLES)
    for *start, end in itertools.product(*western, (*lexicon.ENDINGS, *lexicon.TOWN_ENDINGS)):
        yield "".join(start) + end
    for first, second in itertools.product(lexicon.JAPANESE_FIRST, lexicon.JAPANESE_SECOND):
        yield first + second
    for words in (lexicon.COMPANY_ENDINGS, lexicon.LANGUAGES):
        yield from " ".join(words).split()
    for locale in (*LOCALES, "ja_JP"):
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            options = getattr(provider, attribute)
            if "name" in attribute and "language" not in attribute and isinstance(options, tuple | list | dict):
                for option in options:
                    yield from str(option[-1] if isinstance(option, tuple) else option).split()


VARYING = re.compile(r"(?:[A-ZÀ-ÞİŁŚŻ][\w'’-]*\.?|[$]?\d[\d.,:]*%?)(?=\W|$)")


def shape_of(sentence: str) -> str:
    """A sentence without what varies: capitalised words and numbers, runs of them as one."""
    return re.sub(r"_(?:\W{1,2}_)*", "_", VARYING.sub("_", sentence))


def shapes_of(text: str) -> set[str]:
    """Shapes of sentences with at least four words of their own."""
    shapes = {shape_of(sentence.strip()) for sentence in re.split(r"(?<=[.!?])\s+|\n+", text)}
    return {shape for shape in shapes if len(re.findall(r"[a-z]+", shape)) >= 4}


def test_a_shorter_series_is_the_beginning_of_a_longer_one_and_the_seed_decides() -> None:
    assert list(fictional_examples(11, 60)) == EXAMPLES[:60]
    assert list(fictional_examples(12, 60)) != EXAMPLES[:60]
    assert list(fictional_examples(11, 0)) == []
    with pytest.raises(ConfigError, match="at least 0, got -1"):
        list(fictional_examples(11, -1))


def test_every_answer_stands_in_its_context_and_not_in_its_question() -> None:
    for example in EXAMPLES:
        assert example.answer in example.context
        assert not re.search(rf"\b{re.escape(example.answer)}\b", example.question)
        assert 1 <= len(example.answer.split()) <= 8
        assert "?" in example.question or example.question.endswith(".")


def test_a_question_has_one_answer_within_a_context() -> None:
    answers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for example in EXAMPLES:
        answers[example.context, example.question].add(example.answer)

    assert all(len(given) == 1 for given in answers.values())


def test_kinds_lengths_and_questions_per_document_are_diverse() -> None:
    kinds = Counter(example.kind for example in EXAMPLES)
    lengths = [len(context.split()) for context in CONTEXTS]
    per_document = Counter(example.context for example in EXAMPLES)

    assert len(kinds) >= 12
    assert max(kinds.values()) < 3 * min(kinds.values())
    assert 50 <= min(lengths) <= 100
    assert 400 <= max(lengths) <= 680
    assert sum(count >= 2 for count in per_document.values()) > 0.95 * len(CONTEXTS)


def test_sentences_and_questions_have_hundreds_of_patterns() -> None:
    sentences = set().union(*map(shapes_of, CONTEXTS))
    questions = {shape_of(example.question) for example in EXAMPLES}

    assert len(sentences) > 3_000
    assert len(questions) > 600


def test_many_documents_answer_one_kind_of_question_for_several_subjects() -> None:
    kinds = Counter((example.context, example.kind, shape_of(example.question)) for example in EXAMPLES)
    rivals = {context for (context, _, _), count in kinds.items() if count > 1}

    assert len(rivals) > len(CONTEXTS) / 20


def test_no_name_that_can_be_composed_is_a_name_of_the_evaluation_set() -> None:
    assert len(NAMES) > 180
    assert not NAMES & set(composable_names())


def test_no_name_of_the_evaluation_set_occurs_in_a_context() -> None:
    words = set(re.findall(r"[A-Z][a-z]+", " ".join(CONTEXTS)))

    assert not NAMES & words


def test_no_named_or_worded_answer_of_the_evaluation_set_is_a_training_answer() -> None:
    quantity = re.compile(r"\d|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|teen|ty")
    gold = {qa["answers"][0]["text"].lower() for paragraph in PARAGRAPHS for qa in paragraph["qas"]}
    worded = {answer for answer in gold if not quantity.search(answer) and answer not in CALENDAR}

    assert len(worded) > 130
    assert not worded & {example.answer.lower() for example in EXAMPLES}


def test_no_sentence_or_question_of_the_evaluation_set_has_a_training_pattern() -> None:
    training = set().union(*map(shapes_of, CONTEXTS)) | {shape_of(example.question) for example in EXAMPLES}
    evaluation = set().union(*(shapes_of(paragraph["context"]) for paragraph in PARAGRAPHS))

    assert len(evaluation) > 300
    assert not training & evaluation


def pubmed(**changes: object) -> dict[str, object]:
    entry = {"QUESTION": "Does it? ", "CONTEXTS": ["One.", "Two."], "LONG_ANSWER": "It does.", "final_decision": "yes"}
    return {"123": {**entry, **changes}}


def test_abstracts_are_read_with_either_answer(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(json.dumps(pubmed()))

    expected = QuestionExample(context="One.\n\nTwo.", question="Does it?", answer="yes", kind="pubmedqa")
    assert read_pubmedqa(file) == (expected,)
    assert read_pubmedqa(file, answer="conclusion")[0].answer == "It does."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be an object, got list"),
        ({}, "at least one abstract"),
        (pubmed(CONTEXTS="One."), r"123\.CONTEXTS must be an array"),
        (pubmed(CONTEXTS=[""]), r"CONTEXTS\[0\] must not be blank"),
        (pubmed(final_decision=True), "final_decision must be a text, got bool"),
        ({"1": {"QUESTION": "x"}}, "must have a field 'CONTEXTS'"),
    ],
)
def test_a_file_that_holds_no_abstracts_is_refused(tmp_path: Path, data: object, message: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(json.dumps(data))

    with pytest.raises(InputError, match=message):
        read_pubmedqa(file)
