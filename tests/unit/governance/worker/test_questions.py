"""Which questions an evaluation has answered: few, but from all over the context, and always the same ones."""

from hypothesis import given
from hypothesis import strategies as st

from adapters_core.service.measures_contract import QuestionIn
from governance.worker.questions import spread


def questions(count: int) -> list[QuestionIn]:
    return [QuestionIn(id=f"q-{place}", question=f"What is {place}?", answers=("it",)) for place in range(count)]


@given(count=st.integers(1, 60), most=st.integers(1, 20))
def test_questions_are_spread_in_order_without_repetition(count: int, most: int) -> None:
    asked = questions(count)
    chosen = spread(asked, most)

    places = [asked.index(one) for one in chosen]
    assert len(chosen) == min(count, most)
    assert places == sorted(set(places))
    assert places[0] == 0
    gaps = [later - earlier for earlier, later in zip(places, [*places[1:], count], strict=True)]
    assert max(gaps) - min(gaps) <= 1
