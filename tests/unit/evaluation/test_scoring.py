"""Batches, padding, a shared prefix and the cache are ways to be fast: none of them changes what is measured."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters_core.errors import InputError, NumericalError
from adapters_core.evaluation.scoring import Query, answer_nll, end_tokens, greedy_answers
from adapters_core.evaluation.shared_prefix import common_prefix, encode_prefix
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair, applied
from tests.tiny_model import ARCHITECTURES, tiny_base

BASE = tiny_base()
IDS = st.integers(0, 255)
PROMPT = st.lists(IDS, min_size=1, max_size=12).map(tuple)
QUERIES = st.lists(
    st.builds(Query, prompt=PROMPT, answer=st.lists(IDS, min_size=1, max_size=5).map(tuple)), min_size=1, max_size=6
)


def plain_nll(base: BaseModel, query: Query) -> float:
    """The definition: one row, the whole model, no batch, no cache."""
    ids = torch.tensor([query.prompt + query.answer])
    with torch.no_grad():
        logs = base.model(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)[0]
    start = len(query.prompt)
    return -sum(float(logs[start + i - 1, token]) for i, token in enumerate(query.answer)) / len(query.answer)


def plain_greedy(base: BaseModel, prompt: tuple[int, ...], count: int) -> list[int]:
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            token = int(base.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
            if token in end_tokens(base):
                break
            ids.append(token)
    return ids[len(prompt) :]


def random_pairs(base: BaseModel, seed: int, rank: int = 3) -> dict[str, Pair]:
    rng = torch.Generator().manual_seed(seed)
    return {
        site.path: Pair(
            a_RI=torch.randn(rank, site.d_in, generator=rng), b_OR=torch.randn(site.d_out, rank, generator=rng) / 4
        )
        for site in base.sites(("o_proj", "down_proj"))
    }


@settings(max_examples=30)
@given(queries=QUERIES, head=st.lists(IDS, max_size=9).map(tuple), batch_rows=st.integers(1, 4), share=st.booleans())
def test_batches_padding_and_a_shared_prefix_leave_the_nll_as_defined(
    queries: list[Query], head: tuple[int, ...], batch_rows: int, *, share: bool
) -> None:
    queries = [Query(prompt=head + query.prompt, answer=query.answer) for query in queries]

    found = answer_nll(BASE, queries, share=share, batch_rows=batch_rows)

    assert found == pytest.approx([plain_nll(BASE, query) for query in queries], abs=2e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_shared_prefix_is_exact_on_every_architecture(architecture: str) -> None:
    base = tiny_base(architecture)
    head = tuple(range(40, 60))
    queries = [Query(prompt=(*head, *range(n)), answer=(7, 8)) for n in (1, 4, 9)]

    assert answer_nll(base, queries) == pytest.approx([plain_nll(base, q) for q in queries], abs=2e-5)
    words = greedy_answers(base, [q.prompt for q in queries], max_new_tokens=6)
    tokenizer = base.require_tokenizer()
    expected = [tokenizer.decode(plain_greedy(base, q.prompt, 6), skip_special_tokens=True).strip() for q in queries]
    assert list(words) == expected


def test_each_row_is_scored_under_its_own_adapter() -> None:
    queries = [
        Query(prompt=(1, 2, 3), answer=(4, 5)),
        Query(prompt=(1, 2), answer=(6,)),
        Query(prompt=(9,), answer=(1,)),
    ]
    adapters = [random_pairs(BASE, 1), None, random_pairs(BASE, 2)]

    found = answer_nll(BASE, queries, adapters=adapters)

    for query, pairs, nll in zip(queries, adapters, found, strict=True):
        with applied(BASE, pairs or {}):
            assert nll == pytest.approx(plain_nll(BASE, query), abs=2e-5)


def test_each_row_answers_under_its_own_adapter() -> None:
    prompts = [(50, 51, 1, 2, 3), (50, 51, 1, 2), (50, 51, 9, 8, 7, 6)]
    adapters = [random_pairs(BASE, 1), None, random_pairs(BASE, 2)]
    tokenizer = BASE.require_tokenizer()

    found = greedy_answers(BASE, prompts, adapters=adapters, max_new_tokens=5)

    for prompt, pairs, words in zip(prompts, adapters, found, strict=True):
        with applied(BASE, pairs or {}):
            assert words == tokenizer.decode(plain_greedy(BASE, prompt, 5), skip_special_tokens=True).strip()


def test_the_prefix_is_run_under_the_adapter_too() -> None:
    queries = [Query(prompt=(5, 6, 7, 8, n), answer=(1, 2)) for n in range(3)]
    pairs = random_pairs(BASE, 3)

    found = answer_nll(BASE, queries, adapters=pairs)

    with applied(BASE, pairs):
        assert found == pytest.approx([plain_nll(BASE, query) for query in queries], abs=2e-5)


def test_no_adapter_and_an_empty_one_are_the_same() -> None:
    queries = [Query(prompt=(5, 6), answer=(1, 2)), Query(prompt=(5, 7, 8), answer=(3,))]

    assert answer_nll(BASE, queries) == answer_nll(BASE, queries, adapters={})
    assert answer_nll(BASE, queries) == pytest.approx(answer_nll(BASE, queries, adapters=[None, None]), abs=2e-5)


def test_an_answer_ends_before_the_end_token(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = (3, 1, 4)
    unbounded = plain_greedy(BASE, prompt, 8)
    monkeypatch.setattr(BASE.model.generation_config, "eos_token_id", unbounded[2])

    found = greedy_answers(BASE, [prompt, (1, 5)], max_new_tokens=8)[0]

    first = unbounded.index(unbounded[2])
    assert found == BASE.require_tokenizer().decode(unbounded[:first], skip_special_tokens=True).strip()


def test_a_sliding_window_counts_no_padding() -> None:
    base = tiny_base("mistral")
    base.model.config.sliding_window = 8
    prompts = [tuple(range(20)), (1, 2, 3), tuple(range(30, 43))]

    found = greedy_answers(base, prompts, max_new_tokens=6)

    tokenizer = base.require_tokenizer()
    expected = [tokenizer.decode(plain_greedy(base, p, 6), skip_special_tokens=True).strip() for p in prompts]
    assert list(found) == expected


@given(prompts=st.lists(PROMPT, min_size=1, max_size=4))
def test_the_common_prefix_leaves_a_token_to_every_prompt(prompts: list[tuple[int, ...]]) -> None:
    found = common_prefix(prompts)

    assert all(prompt[: len(found)] == found and len(prompt) > len(found) for prompt in prompts)
    longer = {prompt[: len(found) + 1] for prompt in prompts}
    assert len(longer) > 1 or any(len(prompt) == len(found) + 1 for prompt in prompts)


def test_a_prefix_can_serve_many_batches() -> None:
    prefix = encode_prefix(BASE, (1, 2, 3))
    before = [layer[0].clone() for layer in prefix.layers]
    cache = prefix.cache(4)
    with torch.no_grad():
        BASE.body(input_ids=torch.ones(4, 2, dtype=torch.long), cache=cache, use_cache=True)

    assert all(torch.equal(a, b[0]) for a, b in zip(before, prefix.layers, strict=True))
    assert prefix.nbytes == 3 * 2 * 3 * 2 * 8 * 4  # layers, keys and values, tokens, heads, head size, bytes


def test_empty_parts_and_a_wrong_number_of_adapters_are_refused() -> None:
    with pytest.raises(InputError, match="at least one token"):
        answer_nll(BASE, [Query(prompt=(1,), answer=())])
    with pytest.raises(InputError, match="at least one token"):
        greedy_answers(BASE, [()])
    with pytest.raises(InputError, match="need 1, got 2"):
        answer_nll(BASE, [Query(prompt=(1,), answer=(2,))], adapters=[None, {}])


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    pairs = {path: Pair(a_RI=pair.a_RI * float("nan"), b_OR=pair.b_OR) for path, pair in random_pairs(BASE, 1).items()}

    with pytest.raises(NumericalError, match="not finite"):
        answer_nll(BASE, [Query(prompt=(1,), answer=(2,))], adapters=pairs)
