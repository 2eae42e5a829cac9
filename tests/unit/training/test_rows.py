"""Rows are a function of seed, step and part; what each objective's row is made of; batches of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.canonical import sha256_hex
from adapters_core.data.batching import Ids, TrainingRow, collate
from adapters_core.data.prompts import prompted_ids, question_ids
from adapters_core.errors import InputError
from adapters_core.training.rows import Passage, RowSource, read_passages
from adapters_core.training.settings import OBJECTIVES, Objective
from tests.tiny_model import byte_tokenizer
from tests.tiny_training import Question, passages, questions, rows, settings

TOKENIZER = byte_tokenizer()
IDS = st.lists(st.integers(0, 255), min_size=1, max_size=6).map(tuple)


def text_of(ids: Ids) -> str:
    return str(TOKENIZER.decode(ids))


def corpus() -> str:
    """The texts of each source, as they are read on."""
    return "\n\n\n".join("\n\n".join(p.text for p in passages() if p.source == source) for source in ("s0", "s1"))


def contains(whole: Ids, part: Ids) -> bool:
    return any(whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1))


@given(seed=st.integers(0, 2**40), step=st.integers(-1, 10**6), part=st.integers(0, 64))
def test_rows_are_a_function_of_seed_step_and_part(seed: int, step: int, part: int) -> None:
    first, second = rows(settings(seed=seed)), rows(settings(seed=seed))
    second.batch(step + 1, part)  # what was drawn before does not matter

    assert first.batch(step, part) == second.batch(step, part)


def test_another_seed_step_or_part_gives_other_rows() -> None:
    source = rows(settings())
    drawn = [
        source.batch(5, 0, objective="completion"),
        source.batch(6, 0, objective="completion"),
        source.batch(5, 1, objective="completion"),
        rows(settings(seed=1)).batch(5, 0, objective="completion"),
        source.batch(-1, 0, objective="completion"),
    ]

    assert all(a != b for i, a in enumerate(drawn) for b in drawn[:i])


def test_rows_are_the_same_on_every_machine() -> None:
    """A digest written down once: no hash seed, process, library or platform has a part in what is drawn."""
    source = rows(settings())
    drawn = [source.batch(step, part) for step in range(8) for part in range(2)]

    assert {batch[0].objective for batch in drawn} == set(OBJECTIVES)
    assert sha256_hex(repr(drawn).encode()) == "91e20a8f110e4e7805b6edfd982579eb13cbb609c57c38f49eb4d6a510697fd0"


def test_objectives_are_drawn_by_their_shares() -> None:
    source = rows(settings())
    drawn = [source.batch(step)[0].objective for step in range(400)]

    for name, wanted in (("reconstruction", 0.3), ("completion", 0.3), ("question", 0.2), ("unrelated", 0.2)):
        assert drawn.count(name) / 400 == pytest.approx(wanted, abs=0.07)


def test_an_objective_without_a_share_is_never_drawn() -> None:
    source = rows(settings(objectives={"completion": Objective(share=1), "unrelated": Objective(share=0)}))

    assert {source.batch(step)[0].objective for step in range(50)} == {"completion"}


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_reconstruction_row_predicts_a_piece_of_its_own_context(chunks: int) -> None:
    for row in rows(settings(chunks_per_row=(chunks,))).batch(3, objective="reconstruction"):
        context = sum(row.chunks, ())

        assert len(row.chunks) == chunks
        assert {len(chunk) for chunk in row.chunks} <= {12, 16}
        assert contains(context, row.prefix + row.answer)
        assert (len(row.prefix), len(row.answer)) == (1, 9)
        assert row.teacher_prefix is None


def test_a_reconstruction_row_has_a_teacher_that_sees_the_context_where_one_is_wanted() -> None:
    source = rows(settings(objectives={"reconstruction": Objective(share=1, distillation=1)}))

    for row in source.batch(3):
        assert row.teacher_prefix == sum(row.chunks, ()) + row.prefix


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_completion_row_predicts_what_follows_its_context(chunks: int) -> None:
    for row in rows(settings(chunks_per_row=(chunks,))).batch(3, objective="completion"):
        context = sum(row.chunks, ())

        assert text_of(context + row.prefix + row.answer) in corpus()
        assert (len(row.prefix), len(row.answer)) == (1, 10)
        assert row.teacher_prefix == context + row.prefix


@pytest.mark.parametrize("objective", ["reconstruction", "unrelated"])
def test_several_pieces_are_predicted_under_one_adapter(objective: str) -> None:
    drawn = rows(settings(targets_per_context=3, batch_rows=6, target_tokens=6)).batch(3, objective=objective)
    contexts = {row.chunks: [other for other in drawn if other.chunks == row.chunks] for row in drawn}

    assert [len(found) for found in contexts.values()] == [3, 3, 3]
    assert all(len({row.prefix + row.answer for row in found}) > 1 for found in contexts.values())
    if objective == "reconstruction":
        assert all(contains(sum(row.chunks, ()), row.prefix + row.answer) for row in drawn)


def test_a_context_is_completed_once() -> None:
    drawn = rows(settings(targets_per_context=3, batch_rows=6)).batch(3, objective="completion")

    assert len({row.chunks for row in drawn}) == len(drawn) == 6


def test_a_question_row_asks_of_a_whole_document_without_showing_it() -> None:
    drawn = rows(settings()).batch(3, objective="question")

    assert len({row.chunks for row in drawn}) == 2
    for row in drawn:
        (document,) = row.chunks
        context = text_of(document)
        known = {q.question: q for q in questions_of(context)}
        found = [q for q in known.values() if question_ids(TOKENIZER, q.question) == row.prefix]
        assert len(found) == 1
        assert text_of(row.answer) == found[0].answer + "</s>"
        assert row.teacher_prefix == prompted_ids(TOKENIZER, context, found[0].question)


def questions_of(context: str) -> list[Question]:
    """The three questions that a context of :func:`tests.tiny_training.questions` answers."""
    sentences = [sentence.split(" costs ") for sentence in context.rstrip(".").split(". ")]
    return [Question(context=context, question=f"{name}?", answer=price) for name, price in sentences]


def test_all_parts_of_a_document_are_asked_about() -> None:
    source = rows(settings(questions_per_document=1))
    asked = {row.prefix for step in range(30) for row in source.batch(step, objective="question")}

    assert len(asked) == 3


def test_an_unrelated_row_is_taught_by_the_base_that_sees_the_prefix_alone() -> None:
    for row in rows(settings()).batch(3, objective="unrelated"):
        assert row.teacher_prefix == row.prefix
        assert len(row.prefix) == 8
        assert len(row.answer) == 3


def test_half_of_the_unrelated_adapters_are_made_from_documents_of_questions() -> None:
    made = [row.chunks[0] for step in range(60) for row in rows(settings()).batch(step, objective="unrelated")]
    invented = [chunk for chunk in made if "costs" in text_of(chunk)]

    assert 0.35 < len(invented) / len(made) < 0.65


def test_an_unrelated_row_has_an_answer_however_short_it_is() -> None:
    for target in range(2, 12):
        for row in rows(settings(target_tokens=target)).batch(1, objective="unrelated"):
            assert row.prefix
            assert row.answer


@given(step=st.integers(0, 10**6), objective=st.sampled_from(OBJECTIVES), count=st.integers(2, 6))
def test_every_batch_can_be_collated_and_has_as_many_rows_as_wanted(step: int, objective: str, count: int) -> None:
    drawn = rows(settings()).batch(step, objective=objective, rows=count)

    collate(drawn, 256)
    assert len(drawn) == count if objective != "question" else len(drawn) >= 2


def test_the_end_of_a_short_passage_is_read_too() -> None:
    text = "".join(chr(97 + i % 26) for i in range(60))
    chosen = settings(objectives={"completion": Objective(share=1)}, context_tokens=(12,), target_tokens=8)
    source = RowSource(TOKENIZER, chosen, passages=[Passage(source="s", text=text)])

    seen = {place for step in range(60) for row in source.batch(step) for place in (text_of(row.chunks[0]),)}

    assert any(text.index(piece) == 0 or text.find(piece) < 13 for piece in seen)
    assert len(seen) > 15


def test_short_passages_of_a_source_are_read_on_and_sources_are_not_mixed() -> None:
    short = [Passage(source=f"s{i % 2}", text=("ab " if i % 2 else "xy ") * 4) for i in range(40)]
    chosen = settings(objectives={"completion": Objective(share=1)})

    for step in range(10):
        for row in RowSource(TOKENIZER, chosen, passages=short).batch(step):
            assert not {"a", "x"} <= set(text_of(sum(row.chunks, ()) + row.prefix + row.answer))


def test_a_corpus_without_a_long_enough_text_is_refused() -> None:
    chosen = settings(objectives={"completion": Objective(share=1)})
    source = RowSource(TOKENIZER, chosen, passages=[Passage(source="s", text="too short")])

    with pytest.raises(InputError, match="give longer passages"):
        source.batch(0)


def test_documents_that_are_too_long_for_a_question_are_passed_over() -> None:
    source = rows(settings(question_context_tokens=10))

    with pytest.raises(InputError, match="has at most 10 tokens"):
        source.batch(0, objective="question")


def test_objectives_with_nothing_to_draw_from_are_refused() -> None:
    with pytest.raises(InputError, match="need passages, got none"):
        RowSource(TOKENIZER, settings(), passages=[], question_examples=questions)
    with pytest.raises(InputError, match="needs question examples"):
        RowSource(TOKENIZER, settings(), passages=passages())
    with pytest.raises(InputError, match="must be one of"):
        rows(settings()).batch(0, objective="poetry")


def test_empty_texts_are_left_out() -> None:
    assert [p.text for p in read_passages([("a", "x"), ("a", " \n"), ("b", "")])] == ["x"]


ROW = st.builds(
    lambda chunk, prefix, answer, teacher: TrainingRow(
        objective="question", chunks=(chunk,), prefix=prefix, answer=answer, teacher_prefix=teacher
    ),
    IDS,
    IDS,
    IDS,
    IDS,
)


@given(drawn=st.lists(ROW, min_size=1, max_size=5))
def test_a_batch_holds_each_row_once_and_predicts_its_answer(drawn: list[TrainingRow]) -> None:
    batch = collate(drawn, 256)

    assert batch.teacher is not None
    parts = [
        (batch.target, [row.prefix for row in drawn]),
        (batch.teacher, [row.teacher_prefix or () for row in drawn]),
    ]
    for sequences, prefixes in parts:
        for index, (row, prefix) in enumerate(zip(drawn, prefixes, strict=True)):
            whole = prefix + row.answer
            assert tuple(sequences.ids_BT[index, : len(whole)].tolist()) == whole
            assert sequences.mask_BT[index].tolist() == [1] * len(whole) + [0] * (
                sequences.ids_BT.shape[1] - len(whole)
            )
            places = sequences.predicts_BT[index].nonzero().flatten()
            assert tuple(sequences.ids_BT[index][places + 1].tolist()) == row.answer
    for row, context in zip(drawn, batch.context_of_row, strict=True):
        length = int(batch.context.mask_BT[context].sum())
        assert tuple(batch.context.ids_BT[context, :length].tolist()) == row.chunks[0]
    assert len(batch.context.ids_BT) == len({row.chunks for row in drawn})
    assert not bool(batch.context.predicts_BT.any())
    assert batch.tokens == sum(int(part.mask_BT.sum()) for part in (batch.context, batch.target, batch.teacher))


def test_chunks_of_a_context_lie_side_by_side() -> None:
    row = TrainingRow(objective="completion", chunks=((1, 2), (3,)), prefix=(4,), answer=(5,))
    other = TrainingRow(objective="completion", chunks=((6,), (7, 8)), prefix=(4,), answer=(5,))

    batch = collate([row, other], 0)

    assert batch.chunks_per_row == 2
    assert torch.equal(batch.context.ids_BT, torch.tensor([[1, 2], [3, 0], [6, 0], [7, 8]]))
    assert batch.teacher is None


def test_rows_that_do_not_belong_together_are_refused() -> None:
    row = TrainingRow(objective="completion", chunks=((1,),), prefix=(2,), answer=(3,))
    others = [
        TrainingRow(objective="question", chunks=((1,),), prefix=(2,), answer=(3,)),
        TrainingRow(objective="completion", chunks=((1,), (1,)), prefix=(2,), answer=(3,)),
        TrainingRow(objective="completion", chunks=((1,),), prefix=(2,), answer=(3,), teacher_prefix=(4,)),
    ]
    for other in others:
        with pytest.raises(InputError, match="must share objective"):
            collate([row, other], 0)
    with pytest.raises(InputError, match="at least one row"):
        collate([], 0)


@pytest.mark.parametrize(
    ("chunks", "prefix", "answer"), [(((),), (1,), (1,)), (((1,),), (), (1,)), (((1,),), (1,), ())]
)
def test_rows_with_an_empty_part_are_refused(chunks: tuple[Ids, ...], prefix: Ids, answer: Ids) -> None:
    with pytest.raises(InputError, match="at least one token each"):
        collate([TrainingRow(objective="completion", chunks=chunks, prefix=prefix, answer=answer)], 0)
