"""A suite and a core small enough for a test."""

from adapters_core.evaluation.question_files import Question, SuiteDocument
from adapters_core.evaluation.suites import Suite
from adapters_core.pipeline import GenerationCore
from tests.tiny_model import tiny_base, tiny_config, tiny_generator

FACTS = (("Aoki", "seven yen"), ("Baba", "the east gate"), ("Chiba", "on Friday"), ("Doi", "blue paper"))


def tiny_core(architecture: str = "llama") -> GenerationCore:
    base = tiny_base(architecture)
    return GenerationCore(base, tiny_generator(base, tiny_config(architecture)))


def tiny_document(name: str, fact: str) -> SuiteDocument:
    return SuiteDocument(
        name=name,
        text=f"The note of {name}. It says: {fact}. Nothing else is said in it.",
        questions=(
            Question(id=f"{name}-1", question=f"What does {name} say?", answers=(fact, fact.upper())),
            Question(
                id=f"{name}-2", question="Whose note is it, in one word?", answers=(name,), remembered=("nobody",)
            ),
        ),
    )


def tiny_suite(documents: int = 4) -> Suite:
    return Suite(name="tiny", documents=tuple(tiny_document(*fact) for fact in FACTS[:documents]))
