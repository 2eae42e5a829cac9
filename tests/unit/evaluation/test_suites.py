"""Suites are read whole or refused with the place, and samples depend on nothing but their seed."""

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import InputError, IntegrityError, RingiError
from adapters_core.evaluation.suites import (
    EXAMPLES,
    NEUTRAL,
    Question,
    Suite,
    find_examples,
    load_suite,
    read_conflicts,
    read_squad,
    read_unrelated,
)


def squad(**changes: Any) -> dict[str, Any]:
    question = {"id": "q1", "question": " Who? ", "answers": [{"text": "Ann"}, {"text": "Ann"}, {"text": "Ann B."}]}
    paragraph = {"context": "Ann B. came.", "qas": [question | changes.pop("question", {})]}
    return {"data": [{"title": "T", "paragraphs": [paragraph | changes]}]}


def write(path: Path, data: object) -> Path:
    content = json.dumps(data).encode()
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".xz":
        content = lzma.compress(content)
    path.write_bytes(content)
    return path


def conflict(question: str, context: str, answer: str = "Bo", remembered: str = "Ann") -> dict[str, Any]:
    text = f"\nQuestion: {question}\nContext: {context}"
    return {"input": text, "target": answer, "target_scores": {answer: 1, remembered: 0}}


def ids(suite: Suite) -> list[str]:
    return [question.id for document in suite.documents for question in document.questions]


@pytest.mark.parametrize("name", ["s.json", "s.json.gz", "s.json.xz"])
def test_squad_files_are_read_plain_and_packed(tmp_path: Path, name: str) -> None:
    (document,) = read_squad(write(tmp_path / name, squad()))

    assert (document.name, document.text) == ("T", "Ann B. came.")
    assert document.questions == (Question(id="q1", question="Who?", answers=("Ann", "Ann B.")),)


def test_impossible_questions_and_paragraphs_left_empty_are_left_out(tmp_path: Path) -> None:
    data = squad()
    impossible = {"id": "q2", "question": "Why?", "answers": [], "is_impossible": True}
    data["data"][0]["paragraphs"][0]["qas"].append(impossible)
    data["data"][0]["paragraphs"].append({"context": "Nothing.", "qas": [impossible]})

    documents = read_squad(write(tmp_path / "s.json", data))

    assert [document.name for document in documents] == ["T/0"]
    assert [question.id for question in documents[0].questions] == ["q1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"s\.json must be an object, got list"),
        ({"date": []}, r"must have a field 'data', got \['date'\]"),
        ({"data": []}, "at least one question"),
        ({"data": {}}, "data must be an array, got dict"),
        (squad(context=3), r"data\[0\]\.paragraphs\[0\]\.context must be a text, got int"),
        (squad(context=" "), "must not be blank"),
        (squad(question={"answers": []}), r"qas\[0\] must have at least one answer"),
        (squad(question={"answers": [{"text": ""}]}), r"answers\[0\]\.text must not be blank"),
        (squad(question={"question": None}), r"question must be a text, got NoneType"),
        ({"data": squad()["data"] + squad()["data"]}, "name each document once, got 'T' twice"),
        ({"data": [*squad()["data"], {**squad()["data"][0], "title": "U"}]}, "name each question once, got 'q1' twice"),
    ],
)
def test_a_file_that_is_no_squad_is_refused_with_the_place(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_squad(write(tmp_path / "s.json", data))


def test_bytes_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    packed = write(tmp_path / "whole.json.gz", squad(context="x" * 5000)).read_bytes()
    cases: dict[str, tuple[bytes, type[RingiError], str]] = {
        "cut.json.gz": (packed[:-9], IntegrityError, "cut short"),
        "plain.json.gz": (b"{}", IntegrityError, "damaged"),
        "plain.json.xz": (b"{}", IntegrityError, "damaged"),
        "half.json": (b'{"data": [', InputError, "line 1, column 11"),
        "latin.json": (b'"\xe9"', InputError, "UTF-8"),
        "deep.json": (b"[" * 200_000, InputError, "nested too deeply|must be JSON"),
    }
    for name, (content, error, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=message):
            read_squad(tmp_path / name)
    with pytest.raises(InputError, match="no file at"):
        read_squad(tmp_path / "missing.json")
    with pytest.raises(InputError, match="is a folder"):
        read_squad(tmp_path)


def test_conflicts_keep_what_a_model_may_remember_and_group_by_context(tmp_path: Path) -> None:
    items = [conflict("who came?", "Bo came."), conflict("who?", "Cy.", "Cy"), conflict("who went?", "Bo came.", "Bo")]

    documents = read_conflicts(write(tmp_path / "c.json", {"examples": items}))

    assert [(document.name, document.text) for document in documents] == [
        ("conflict-00000", "Bo came."),
        ("conflict-00001", "Cy."),
    ]
    assert [question.id for question in documents[0].questions] == ["conflict-00000", "conflict-00002"]
    assert documents[0].questions[0] == Question(
        id="conflict-00000", question="who came?", answers=("Bo",), remembered=("Ann",)
    )


@pytest.mark.parametrize("text", ["Context: no question", "\nQuestion: no context?", "\nQuestion: \nContext: x"])
def test_an_item_that_is_no_conflict_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "c.json", {"examples": [conflict("a?", "b") | {"input": text}]})

    with pytest.raises(InputError, match=r"examples\[0\]\.input must be"):
        read_conflicts(file)


@given(small=st.integers(1, 301), more=st.integers(0, 100), seed=st.integers(0, 5))
def test_a_smaller_sample_is_part_of_a_larger_one(small: int, more: int, seed: int) -> None:
    first, second = (
        load_suite("fictional", limit=small, seed=seed),
        load_suite("fictional", limit=small + more, seed=seed),
    )

    assert first.question_count == small
    assert set(ids(first)) <= set(ids(second))
    assert first == load_suite("fictional", limit=small, seed=seed)


def test_samples_of_other_seeds_differ_and_keep_the_order_of_the_file() -> None:
    whole = load_suite("fictional")
    samples = [load_suite("fictional", limit=40, seed=seed) for seed in range(4)]

    assert whole.question_count >= 240
    assert len({tuple(ids(sample)) for sample in samples}) > 1
    for sample in samples:
        assert [name for name in ids(whole) if name in ids(sample)] == ids(sample)


def test_a_sample_can_take_few_questions_of_each_document() -> None:
    suite = load_suite("fictional", limit=30, questions_per_document=2)

    assert suite.question_count == 30
    assert {len(document.questions) for document in suite.documents} == {2}


def test_documents_that_are_too_long_are_left_out() -> None:
    whole = load_suite("fictional")
    longest = max(len(document.text) for document in whole.documents)

    short = load_suite("fictional", max_context_tokens=longest - 1, count_tokens=len)

    assert len(short.documents) < len(whole.documents)
    assert all(len(document.text) < longest for document in short.documents)
    with pytest.raises(InputError, match="no document of at most 5 tokens"):
        load_suite("fictional", max_context_tokens=5, count_tokens=len)


@pytest.mark.parametrize("spec", ["fiction", "squad", "squad:", "conflicts:", "glue:x", ""])
def test_an_unknown_suite_is_refused(spec: str) -> None:
    with pytest.raises(InputError, match="must be fictional, squad:PATH or conflicts:PATH"):
        load_suite(spec)


def test_suites_are_read_by_path(tmp_path: Path) -> None:
    squad_file = write(tmp_path / "s.json", squad())
    conflict_file = write(tmp_path / "c.json", {"examples": [conflict("a?", "b")]})

    assert load_suite(f"squad:{squad_file}").name == "squad"
    assert load_suite(f"conflicts:{conflict_file}").documents[0].text == "b"


@pytest.mark.parametrize("option", ["limit", "questions_per_document"])
def test_options_are_checked(option: str) -> None:
    with pytest.raises(InputError, match=f"{option} must be at least 1, got 0"):
        load_suite("fictional", **{option: 0})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs count_tokens"):
        load_suite("fictional", max_context_tokens=5)


def test_unrelated_questions_have_answers() -> None:
    questions = read_unrelated()

    assert len(questions) >= 20
    assert all(question.answers for question in questions)


def test_examples_are_found_in_a_checkout_and_in_an_installed_wheel(tmp_path: Path) -> None:
    package, data = tmp_path / "lib" / "adapters_core", tmp_path / "prefix"
    (tmp_path / "lib" / "examples").mkdir(parents=True)

    assert find_examples(package, data) == data / "share" / "ringi" / "examples"
    (tmp_path / "lib" / "examples" / "fictional.json").write_text("{}")
    assert find_examples(package, data) == tmp_path / "lib" / "examples"
    assert {file.name for file in EXAMPLES.iterdir()} >= {"fictional.json", "unrelated.json", "contexts", NEUTRAL.name}
