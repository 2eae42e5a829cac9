"""Evaluation on the real base: what must hold whatever generator is loaded."""

from dataclasses import replace

import pytest
import torch

from adapters_core.config import GeneratorConfig
from adapters_core.evaluation.finetuning import LORA_TRAINING, LoraTuned
from adapters_core.evaluation.methods import InPrompt
from adapters_core.evaluation.perplexity import text_nll
from adapters_core.evaluation.report import UNDEFINED
from adapters_core.evaluation.runner import evaluate
from adapters_core.evaluation.scoring import answer_nll, greedy_answers
from adapters_core.evaluation.suites import Suite, load_suite
from adapters_core.fetch import fetch_default_base
from adapters_core.modeling.base_model import BaseModel, load_base
from adapters_core.modeling.generator import Generator
from adapters_core.pipeline import GenerationCore

pytestmark = pytest.mark.base


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return load_base(fetch_default_base(), dtype=torch.float32)


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("fictional", limit=6, questions_per_document=3)


def test_the_prompt_helps_and_a_generator_that_outputs_nothing_does_not(base: BaseModel, suite: Suite) -> None:
    config = GeneratorConfig(target_modules=("o_proj",), key_size=16, value_size=16, rank=8)
    core = GenerationCore(base, Generator(config, base))  # ``output`` starts at 0

    report = evaluate(core, suite, ["none", "prompt", "adapter"])

    none, prompt, adapter, wrong = (report.summary(name) for name in ("none", "prompt", "adapter", "wrong"))
    assert prompt.nll.value < none.nll.value - 1.0
    assert adapter.nll.value == pytest.approx(none.nll.value, abs=1e-4)
    assert wrong.nll.value == pytest.approx(none.nll.value, abs=1e-4)
    for share in (adapter.recovery, adapter.specific_recovery):
        assert share is not None
        assert share != UNDEFINED
        assert share.value == pytest.approx(0.0, abs=1e-3)


def test_a_context_that_is_read_once_scores_and_answers_as_if_read_every_time(base: BaseModel, suite: Suite) -> None:
    document = suite.documents[0]
    with InPrompt(base=base).adapt(document) as adapted:
        queries = [adapted.query(question) for question in document.questions]
        prompts = [query.prompt for query in queries]

        assert answer_nll(base, queries) == pytest.approx(
            answer_nll(base, queries, share=False, batch_rows=1), abs=1e-3
        )
        shared = greedy_answers(base, prompts, max_new_tokens=8)
        plain = greedy_answers(base, prompts, share=False, batch_rows=1, max_new_tokens=8)
    assert shared == plain
    assert all(shared)


def test_a_few_steps_of_lora_learn_a_context(base: BaseModel, suite: Suite) -> None:
    text = suite.documents[0].text[:400]

    pairs = LoraTuned(base=base, training=replace(LORA_TRAINING, steps=3)).train(text)

    assert text_nll(base, [text], adapters=pairs)[0] < text_nll(base, [text])[0] - 0.2
