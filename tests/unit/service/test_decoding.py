"""What a row answers does not depend on who shares its batch."""

import random

import pytest
import torch

from adapters_core.errors import InputError, NumericalError, RingiError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair, Pairs
from adapters_core.service.decoding import DecodingBatch, Piece, Prompt, Row
from adapters_core.service.sampling import Sampling
from tests.tiny_model import ARCHITECTURES, tiny_base, tiny_config, tiny_generator

Answer = list[Piece | RingiError]
TOLERANCE = 1e-4


def adapters(base: BaseModel, architecture: str, count: int) -> list[Pairs]:
    generator = tiny_generator(base, tiny_config(architecture))
    config = generator.config
    shape = (len(generator.sites), config.key_size, config.value_size)
    return [generator.pairs(torch.randn(shape, generator=torch.Generator().manual_seed(i))) for i in range(count)]


def prompts(base: BaseModel, architecture: str, count: int) -> list[Prompt]:
    """Prompts of all lengths, greedy and drawn, under three adapters and none; some share their text."""
    rng = random.Random(7)
    pairs = [None, *adapters(base, architecture, 3)]
    shared = tuple(rng.randrange(250) for _ in range(11))
    return [
        Prompt(
            token_ids=shared if i < 4 else tuple(rng.randrange(250) for _ in range(rng.randrange(1, 40))),
            pairs=pairs[i % 4],
            sampling=Sampling(temperature=0.0 if i < 4 else 0.9, seed=i, top_logprobs=4),
            max_tokens=12 if i < 4 else rng.randrange(1, 30),
        )
        for i in range(count)
    ]


def answer_alone(base: BaseModel, prompt: Prompt) -> Answer:
    answer: Answer = []
    batch = DecodingBatch(base)
    batch.admit([Row(base, prompt, answer.append)])
    while len(batch):
        batch.steps(None, interrupted=lambda: False)
    return answer


def answer_together(base: BaseModel, wanted: list[Prompt], *, joining: int, steps: int) -> list[Answer]:
    answers: list[Answer] = [[] for _ in wanted]
    rows = [Row(base, prompt, answer.append) for prompt, answer in zip(wanted, answers, strict=True)]
    batch = DecodingBatch(base)
    while rows or len(batch):
        if rows:
            batch.admit(rows[:joining])
            rows = rows[joining:]
        batch.steps(steps, interrupted=lambda: False)
    return answers


def require_equal(found: Answer, alone: Answer) -> None:
    assert len(found) == len(alone)
    for one, other in zip(found, alone, strict=True):
        assert isinstance(one, Piece)
        assert isinstance(other, Piece)
        assert (one.text, one.finish, one.token.token_id) == (other.text, other.finish, other.token.token_id)
        assert one.token.logprob == pytest.approx(other.token.logprob, abs=TOLERANCE)
        assert dict(one.token.top).keys() == dict(other.token.top).keys()
        assert dict(one.token.top) == pytest.approx(dict(other.token.top), abs=TOLERANCE)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_with_different_adapters_answer_as_each_does_alone(architecture: str) -> None:
    base = tiny_base(architecture)
    wanted = prompts(base, architecture, 10)
    alone = [answer_alone(base, prompt) for prompt in wanted]
    assert len({tuple(p.token.logprob for p in a if isinstance(p, Piece)) for a in alone[:4]}) == 4, (
        "the same prompt under other adapters must have other answers, or leaks would go unseen"
    )

    for joining, steps in ((10, 1000), (3, 2)):
        for found, expected in zip(answer_together(base, wanted, joining=joining, steps=steps), alone, strict=True):
            require_equal(found, expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    base = tiny_base()
    wanted = prompts(base, "llama", 8)
    order = random.Random(seed).sample(range(8), 8)

    shuffled = answer_together(base, [wanted[i] for i in order], joining=4, steps=3)

    for place, i in enumerate(order):
        require_equal(shuffled[place], answer_alone(base, wanted[i]))


def test_a_model_with_a_sliding_window_is_decoded_as_the_model_itself_would() -> None:
    base = tiny_base("mistral")
    base.model.config.sliding_window = 8
    wanted = [
        Prompt(token_ids=p.token_ids, pairs=None, sampling=Sampling(temperature=0.0), max_tokens=20)
        for p in prompts(base, "mistral", 6)
    ]

    for prompt, answer in zip(wanted, answer_together(base, wanted, joining=3, steps=5), strict=True):
        ids = list(prompt.token_ids)
        for piece in answer:
            assert isinstance(piece, Piece)
            with torch.inference_mode():
                logits_W = base.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            assert piece.token.token_id == int(logits_W.argmax())
            ids.append(piece.token.token_id)


def test_the_base_is_bit_for_bit_itself_after_adapted_answers() -> None:
    base = tiny_base()
    wanted = prompts(base, "llama", 4)
    before = answer_alone(base, wanted[0])

    answer_together(base, wanted, joining=4, steps=2)

    assert answer_alone(base, wanted[0]) == before


def test_an_adapter_that_is_not_finite_fails_its_own_row_alone() -> None:
    base = tiny_base()
    wanted = prompts(base, "llama", 4)
    bad = {path: Pair(a_RI=pair.a_RI, b_OR=pair.b_OR * float("nan")) for path, pair in (wanted[1].pairs or {}).items()}
    poisoned = Prompt(token_ids=(1, 2, 3), pairs=bad, sampling=Sampling(), max_tokens=5)
    alone = [answer_alone(base, prompt) for prompt in wanted]

    *answers, failed = answer_together(base, [*wanted, poisoned], joining=3, steps=2)

    assert [type(event) for event in failed] == [NumericalError]
    for found, expected in zip(answers, alone, strict=True):
        require_equal(found, expected)


def test_a_cancelled_row_leaves_and_the_others_go_on() -> None:
    base = tiny_base()
    wanted = prompts(base, "llama", 3)
    answers: list[Answer] = [[], [], []]
    rows = [Row(base, prompt, answer.append) for prompt, answer in zip(wanted, answers, strict=True)]
    batch = DecodingBatch(base)
    batch.admit(rows)
    batch.steps(2, interrupted=lambda: False)

    rows[1].cancel()
    while len(batch):
        batch.steps(None, interrupted=lambda: False)

    assert len(answers[1]) == 3
    require_equal(answers[0], answer_alone(base, wanted[0]))
    require_equal(answers[2], answer_alone(base, wanted[2]))


def test_an_answer_ends_at_an_end_token_which_is_no_text() -> None:
    base = tiny_base()
    prompt = prompts(base, "llama", 1)[0]
    first = answer_alone(base, prompt)
    third = first[2]
    assert isinstance(third, Piece)

    ended = answer_alone(
        base,
        Prompt(
            token_ids=prompt.token_ids,
            pairs=None,
            sampling=prompt.sampling,
            max_tokens=12,
            end_ids=frozenset({third.token.token_id}),
        ),
    )

    last = ended[-1]
    assert isinstance(last, Piece)
    assert (last.finish, last.text, last.token.token_id) == ("stop", "", third.token.token_id)
    assert len(ended) <= 3


def test_an_empty_prompt_and_an_answer_of_no_token_are_refused() -> None:
    with pytest.raises(InputError, match="at least one token"):
        Prompt(token_ids=(), pairs=None, sampling=Sampling(), max_tokens=1)
    with pytest.raises(InputError, match="max_tokens"):
        Prompt(token_ids=(1,), pairs=None, sampling=Sampling(), max_tokens=0)
