"""What counts as the canonical form of a body."""

import pytest

from adapters_core.ledger.verification.walk import canonical, parsed


@pytest.mark.parametrize("body", ['{"a":1,"b":[0.5,"é",null]}', '{"a":1e+30}', "{}"])
def test_the_form_of_rfc_8785_is_canonical(body: str) -> None:
    assert canonical(parsed(body) or {}, body)


@pytest.mark.parametrize(
    "body",
    [
        '{"b":1,"a":2}',  # the order of the names
        '{"a": 1}',  # white space
        '{"a":1.0}',  # as Python writes it
        '{"a":1e30}',
        '{"a":-0.0}',
        '{"a":"\\u00e9"}',  # escaped without need
        '{"a":1,"a":1}',  # a name twice
        '{"a":NaN}',
        '{"a":9007199254740993}',  # no double holds it
    ],
)
def test_the_same_data_written_otherwise_is_not(body: str) -> None:
    assert not canonical(parsed(body) or {}, body)
