"""Attribution for people: shares add up, counterfactuals are what really happens, answers are explained."""

import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters_core.artifact import Session
from adapters_core.data.documents import Document
from adapters_core.data.prompts import answer_ids, question_ids
from adapters_core.errors import InputError, MismatchError
from adapters_core.explain import Attribution, Breakdown, attribute
from adapters_core.modeling.adapter import drift
from adapters_core.modeling.lora import applied
from adapters_core.pipeline import GenerationCore
from tests.tiny_model import tiny_base, tiny_config, tiny_generator

KEY = bytes(range(32))
RULES = Document(
    name="rules", text="Leave of five days carries over. Ms Mori keeps the keys. 倉庫は九時に閉まる。鍵は森さん。"
)
PIER = Document(name="pier", text="  The ferry leaves at seven.\n\n# Berths\nBerth two is wet.  ")
TEA = Document(name="tea", text="Tea costs 40 yen!")
ALL = [RULES, PIER, TEA]
QUESTION, ANSWER = "When does it close?", "at nine"


@pytest.fixture(scope="module")
def core() -> GenerationCore:
    base = tiny_base()
    return GenerationCore(base, tiny_generator(base))


@pytest.fixture(scope="module")
def session(core: GenerationCore) -> Session:
    return core.generate(ALL, key=KEY)


@pytest.fixture(scope="module")
def asked(core: GenerationCore, session: Session) -> Attribution:
    return attribute(core, session, ALL, question=QUESTION, answer=ANSWER, steps=16)


def grains(breakdown: Breakdown) -> dict[str, float]:
    return {
        grain: math.fsum(span.value for span in getattr(breakdown, grain))
        for grain in ("tokens", "sentences", "chunks", "documents")
    }


def measured(core: GenerationCore, session: Session) -> float:
    """Log-probability of the answer with the adapter's pairs applied to the base: none of attribution's own code."""
    tokenizer = core.base.require_tokenizer()
    prefix, answer = question_ids(tokenizer, QUESTION), answer_ids(tokenizer, ANSWER, end=False)
    ids = torch.tensor(prefix + answer)
    with applied(core.base, session.adapter.pairs), torch.no_grad():
        scores = core.base.model(ids[None]).logits[0].double().log_softmax(-1)
    return sum(float(scores[place - 1, ids[place]]) for place in range(len(prefix), len(ids)))


# --------------------------------------------------------------------------------------------------------------- shares


@pytest.mark.parametrize("more", [(), (Document(name="gate", text="The gate is shut at ten."),)])
def test_progress_is_told_for_the_shares_and_every_chunk_left_out(
    core: GenerationCore, more: tuple[Document, ...]
) -> None:
    told: list[tuple[int, int]] = []
    found = attribute(core, core.generate([TEA, *more]), [TEA, *more], progress=lambda *now: told.append(now))

    pieces = 1 + len(found.leave_one_out)
    assert told == [(done, pieces) for done in range(1, pieces + 1)]


@pytest.mark.parametrize("decay", [1.0, 0.6])
def test_shares_add_up_to_one_at_every_grain_and_every_site(core: GenerationCore, decay: float) -> None:
    found = attribute(core, core.generate(ALL, key=KEY, decay=decay), ALL)

    assert grains(found.shares) == pytest.approx(dict.fromkeys(grains(found.shares), 1.0), abs=1e-5)
    assert set(found.sites) == {site.name for site in core.generator.sites}
    for name, shares in found.sites.items():
        for grain, values in asdict(shares).items():
            assert len(values) == len(getattr(found.shares, grain)), (name, grain)
            assert sum(values) == pytest.approx(1.0, abs=1e-5), (name, grain)
    assert (found.answer, found.log_probability, found.log_probability_base, found.residual) == (None,) * 4


@settings(max_examples=20)
@given(
    st.lists(
        st.text(st.sampled_from("ab .!?\n\t。猫é#-1"), min_size=2).filter(lambda t: len(t.strip()) > 1),
        min_size=1,
        max_size=3,
    )
)
def test_shares_of_any_text_add_up_to_one(core: GenerationCore, texts: list[str]) -> None:
    documents = [Document(name=f"d{index}", text=text) for index, text in enumerate(texts)]
    found = attribute(core, core.generate(documents, key=KEY), documents)

    assert grains(found.shares) == pytest.approx(dict.fromkeys(grains(found.shares), 1.0), abs=1e-5)


def test_every_grain_covers_the_context_in_order(session: Session, asked: Attribution) -> None:
    shares = asked.shares
    assert [span.document for span in shares.documents] == [document.name for document in ALL]
    assert [span.commitment for span in shares.chunks] == [entry.commitment for entry in session.state.entries]
    assert len(shares.tokens) == session.state.tokens
    for document in ALL:
        own = [span for span in shares.sentences if span.document == document.name]
        assert "".join(document.text[span.start : span.end] for span in own) == document.text
        chunks = [span for span in shares.chunks if span.document == document.name]
        assert "".join(document.text[span.start : span.end] for span in chunks) == document.text
    first = shares.sentences[0]
    assert RULES.text[first.start : first.end].strip() == "Leave of five days carries over."


def test_a_coarse_share_is_the_sum_of_the_fine_ones_inside_it(asked: Attribution) -> None:
    assert asked.answer is not None
    for breakdown in (asked.shares, asked.answer):
        for coarse in (*breakdown.sentences, *breakdown.chunks, *breakdown.documents):
            inside = [
                token.value
                for token in breakdown.tokens
                if token.document == coarse.document and coarse.start <= token.start < coarse.end
            ]
            assert coarse.value == pytest.approx(math.fsum(inside), abs=1e-9)


@pytest.mark.parametrize("grain", ["tokens", "sentences", "chunks", "documents"])
def test_a_share_is_the_mean_of_its_sites(asked: Attribution, grain: str) -> None:
    for index, span in enumerate(getattr(asked.shares, grain)):
        mean = sum(getattr(shares, grain)[index] for shares in asked.sites.values()) / len(asked.sites)
        assert span.value == pytest.approx(mean, abs=1e-9)


def test_the_order_in_which_documents_are_given_does_not_matter(core: GenerationCore, session: Session) -> None:
    straight, mixed = attribute(core, session, ALL), attribute(core, session, ALL[::-1])

    assert mixed.shares.chunks == straight.shares.chunks
    assert sorted(mixed.shares.documents, key=str) == sorted(straight.shares.documents, key=str)


def test_a_stream_that_came_in_parts_is_attributed_as_a_whole(core: GenerationCore, session: Session) -> None:
    parts = core.extend(core.generate([TEA, RULES], key=KEY), [PIER])
    found = attribute(core, parts, ALL)

    assert grains(found.shares)["sentences"] == pytest.approx(1.0, abs=1e-5)
    whole = {span.document: span.value for span in attribute(core, session, ALL).shares.documents}
    assert {span.document: span.value for span in found.shares.documents} == pytest.approx(whole, abs=1e-5)


def test_what_was_erased_has_no_share(core: GenerationCore, session: Session) -> None:
    gone = next(name for name, place in session.places.items() if place.document == "rules" and place.index == 1)
    erased = core.erase(session, [gone, *(n for n, place in session.places.items() if place.document == "tea")])
    found = attribute(core, erased, ALL)

    assert [span.document for span in found.shares.documents] == ["rules", "pier"]
    assert gone not in {span.commitment for span in found.shares.chunks}
    assert grains(found.shares)["documents"] == pytest.approx(1.0, abs=1e-5)


# ------------------------------------------------------------------------------------------------------ counterfactuals


@pytest.mark.parametrize("decay", [1.0, 0.6])
def test_leaving_one_out_is_generating_without_it(core: GenerationCore, decay: float) -> None:
    short = [
        TEA,
        Document(name="gate", text="The gate is shut at ten."),
        Document(name="key", text="Sato has the key."),
    ]
    whole = core.generate(short, key=KEY, decay=decay)
    found = attribute(core, whole, short).leave_one_out

    assert [one.document for one in found] == [document.name for document in short]
    for one, document in zip(found, short, strict=True):
        without = core.generate([d for d in short if d is not document], key=KEY, decay=decay)
        moved = drift(whole.adapter.pairs, without.adapter.pairs)
        assert one.cosine == pytest.approx(moved["cosine"], abs=1e-5)
        assert one.change == pytest.approx(moved["change"], rel=1e-3)
        assert one.change > 0
        assert one.answer_effect is None


def test_the_effect_on_an_answer_is_that_of_a_real_erase(
    core: GenerationCore, session: Session, asked: Attribution
) -> None:
    with_it = measured(core, session)
    assert asked.log_probability == pytest.approx(with_it, abs=1e-3)

    effects = []
    for one in asked.leave_one_out:
        without = measured(core, core.erase(session, [one.commitment]))
        assert one.answer_effect == pytest.approx(with_it - without, abs=2e-3)
        effects.append(abs(with_it - without))
    assert max(effects) > 0.02  # there was something to find


def test_an_only_chunk_has_no_counterfactual(core: GenerationCore) -> None:
    assert attribute(core, core.generate([TEA], key=KEY), [TEA]).leave_one_out == ()


# -------------------------------------------------------------------------------------------------------------- answers


def test_scores_and_residual_are_all_that_the_adapter_did_to_the_answer(
    core: GenerationCore, session: Session, asked: Attribution
) -> None:
    assert asked.answer is not None
    assert asked.log_probability is not None
    assert asked.log_probability_base is not None
    assert asked.residual is not None
    gain = asked.log_probability - asked.log_probability_base
    bare = replace(session, adapter=replace(session.adapter, pairs={}))
    assert asked.log_probability_base == pytest.approx(measured(core, bare), abs=1e-3)
    for grain, total in grains(asked.answer).items():
        assert total + asked.residual == pytest.approx(gain, abs=1e-6), grain
    assert abs(gain) > 0.02


def test_more_steps_leave_less_unexplained(core: GenerationCore, session: Session) -> None:
    residuals, gain = [], 0.0
    for steps in (1, 4, 16):
        found = attribute(core, session, ALL, question=QUESTION, answer=ANSWER, steps=steps)
        assert found.residual is not None
        assert found.log_probability is not None
        assert found.log_probability_base is not None
        residuals.append(abs(found.residual))
        gain = abs(found.log_probability - found.log_probability_base)

    assert residuals[0] > residuals[1]
    assert residuals[1] + 1e-4 > residuals[2]
    assert residuals[2] < 0.01 * gain + 1e-3


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "documents",
    [
        [RULES, PIER],
        [RULES, PIER, replace(TEA, text="Tea costs 50 yen!")],
        [RULES, PIER, replace(TEA, name="coffee")],
        [replace(RULES, text=RULES.text + " "), PIER, TEA],
    ],
    ids=["missing", "text", "name", "a space"],
)
def test_other_documents_are_refused(core: GenerationCore, session: Session, documents: list[Document]) -> None:
    with pytest.raises(MismatchError, match=r"must be those of adapter .* do not match their commitment"):
        attribute(core, session, documents)


def test_a_document_too_many_changes_nothing(core: GenerationCore, session: Session) -> None:
    more = [*ALL, Document(name="more", text="Nobody saw this.")]

    assert attribute(core, session, more) == attribute(core, session, ALL)


def test_an_adapter_of_another_generator_is_refused(core: GenerationCore, session: Session) -> None:
    other = GenerationCore(core.base, tiny_generator(core.base, seed=9))

    with pytest.raises(MismatchError, match="was made by generator"):
        attribute(other, session, ALL)


@pytest.mark.parametrize("given_", [{"question": QUESTION}, {"answer": ANSWER}])
def test_a_question_comes_with_its_answer(core: GenerationCore, session: Session, given_: dict[str, str]) -> None:
    with pytest.raises(MismatchError, match="a question together with its answer"):
        attribute(core, session, ALL, question=given_.get("question"), answer=given_.get("answer"))


def test_an_empty_answer_is_refused(core: GenerationCore, session: Session) -> None:
    with pytest.raises(InputError, match="need a prefix, an answer"):
        attribute(core, session, ALL, question=QUESTION, answer="")


def test_a_sequential_generator_has_no_attribution() -> None:
    base = tiny_base()
    core = GenerationCore(base, tiny_generator(base, tiny_config(encoding="sequential")))

    with pytest.raises(InputError, match="independent encoding"):
        attribute(core, core.generate([TEA]), [TEA])


def test_an_attribution_is_plain_json(asked: Attribution) -> None:
    tree = json.loads(json.dumps(asked.to_json(), allow_nan=False))

    assert tree["adapter"] == asked.adapter
    assert set(tree["shares"]) == {"tokens", "sentences", "chunks", "documents"}
    assert len(tree["leave_one_out"]) == len(asked.shares.chunks)
