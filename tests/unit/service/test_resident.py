"""The adapters that are held on the model's device."""

from adapters_core.modeling.lora import Pairs
from adapters_core.service.metrics import Metrics
from adapters_core.service.resident import ResidentPairs


def test_the_adapter_used_longest_ago_makes_room() -> None:
    metrics = Metrics()
    resident = ResidentPairs(2, metrics)
    pairs: dict[str, Pairs] = {name: {} for name in "abc"}

    resident.put("a", pairs["a"])
    resident.put("b", pairs["b"])
    resident.get("a")
    resident.put("c", pairs["c"])

    assert resident.get("a") is pairs["a"]
    assert resident.get("b") is None
    assert resident.get("c") is pairs["c"]
    assert b"ringi_adapters_resident 2.0" in metrics.text()


def test_what_is_dropped_is_held_no_longer() -> None:
    resident = ResidentPairs(2, Metrics())
    resident.put("a", {})

    resident.drop("a")
    resident.drop("never")

    assert resident.get("a") is None
