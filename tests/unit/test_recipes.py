"""Recipes: what may be varied, and what stays."""

import pytest

from adapters_core.errors import ConfigError
from adapters_core.recipes import RECIPES, recipe


def test_a_mixture_names_all_that_is_trained_and_keeps_the_recipes_weights() -> None:
    varied = recipe("smollm2-cpu").with_mixture({"question": (0.5, None), "unrelated": (0.25, None)}).settings

    own = recipe("smollm2-cpu").settings.objectives
    assert {name: objective.share for name, objective in varied.objectives.items()} == {
        "question": 0.5,
        "unrelated": 0.25,
    }
    assert varied.objectives["unrelated"].distillation == own["unrelated"].distillation
    assert varied.objectives["unrelated"].cross_entropy == 0


def test_a_mixture_may_weigh_the_distillation() -> None:
    varied = recipe("smollm2-cpu").with_mixture({"completion": (1.0, 2.5)}).settings

    assert varied.objectives["completion"].distillation == 2.5


def test_no_mixture_changes_nothing() -> None:
    assert recipe("smollm2-cpu").with_mixture({}) == recipe("smollm2-cpu")


@pytest.mark.parametrize("name", RECIPES)
def test_the_shares_of_a_recipe_add_up_to_one(name: str) -> None:
    assert sum(o.share for o in RECIPES[name].settings.objectives.values()) == pytest.approx(1.0)


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ConfigError, match="objectives must be of"):
        recipe("tiny").with_mixture({"poetry": (1.0, None)})
