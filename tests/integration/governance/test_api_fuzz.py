"""Every operation of the REST API under requests that its description allows, and under ones that it forbids.

Requests are drawn by schemathesis from the description that the API serves, and go through the whole application to a
ledger with something of every kind in it. Each answer must be one that the description names: its status, its media
type, its fields; what the description forbids must be refused, and nothing may fail.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from governance.policy.actors import SCOPES
from tests.factories.installations import installed, make_template
from tests.factories.worlds import ROOT, World, populate, token

pytestmark = pytest.mark.django_db
few = settings(max_examples=5, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))


def described(*, methodically: bool) -> Any:
    """The description; whether to go through the bounds of every field, or to draw a few requests only."""
    schema = schemathesis.openapi.from_wsgi(f"{ROOT}openapi.json", get_wsgi_application())
    schema.config.phases.coverage.enabled = methodically
    return schema


reading = described(methodically=False).include(method="GET")
writing = described(methodically=True).include(method="POST")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the requests go to."""

    world: World
    headers: dict[str, str]

    def call(self, case: Any) -> None:
        """Send a request, and check the answer; what was drawn is also asked about something that is known."""
        # What a schema cannot say (a moment that has passed, sizes that the ledger has) is refused with 422.
        case.call_and_validate(headers=self.headers, excluded_checks=[positive_data_acceptance])
        if case.path_parameters and case.meta.phase.name is TestPhase.FUZZING:
            names = self.world.names(case.path)
            case.path_parameters = {name: names[name] for name in case.path_parameters}
            # The name in the address may have been what was wrong.
            unsure = [positive_data_acceptance, negative_data_rejection]
            case.call_and_validate(headers=self.headers, excluded_checks=unsure)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A populated ledger, and a token with every scope."""
    folder = make_template(tmp_path_factory.mktemp("fuzzed") / "var")
    with installed(folder) as place:
        world = populate(place)
        yield Target(world=world, headers={"Authorization": f"Bearer {token(place, *SCOPES, days=300).secret}"})


@reading.parametrize()
@few
def test_what_reads_answers_as_it_is_described(case: Any, target: Target) -> None:
    target.call(case)


@writing.parametrize()
@few
def test_what_writes_answers_as_it_is_described(case: Any, target: Target) -> None:
    target.call(case)
