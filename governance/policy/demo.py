"""The policies that an installation starts with, and the people of a demonstration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FirstPerson:
    """One of the first people of an installation."""

    name: str
    email: str
    roles: tuple[str, ...]


DEMO_PEOPLE = (
    FirstPerson(name="佐藤 花子", email="engineer@ringi.example", roles=("engineer",)),
    FirstPerson(name="高橋 由紀", email="reviewer@ringi.example", roles=("reviewer",)),
    FirstPerson(name="田中 健二", email="reviewer2@ringi.example", roles=("reviewer",)),
    FirstPerson(name="伊藤 明", email="manager@ringi.example", roles=("manager",)),
    FirstPerson(name="渡辺 美咲", email="admin@ringi.example", roles=("admin",)),
    FirstPerson(name="山本 直子", email="auditor@ringi.example", roles=("auditor",)),
)
# A first generator brings back little of its document: the standard asks that an adapter does no harm, the strict that
# it is of use.
_HARMLESS: list[dict[str, Any]] = [
    {"name": "回収率 / Recovery", "metric": "recovery", "operator": ">=", "threshold": 0.0},
    {"name": "保持率 / Retention", "metric": "retention", "operator": ">=", "threshold": 0.9},
]
_USEFUL: list[dict[str, Any]] = [
    {"name": "回収率 / Recovery", "metric": "recovery", "operator": ">=", "threshold": 0.5},
    {"name": "保持率 / Retention", "metric": "retention", "operator": ">=", "threshold": 0.95},
    {"name": "個人情報 / Personal data", "metric": "personal_data", "operator": "<=", "threshold": 0},
]
_STANDARD: dict[str, Any] = {
    "stages": [{"name": "審査 / Review", "role": "reviewer", "needed": 1}],
    "required_suites": ["context"],
    "gates": _HARMLESS,
    "expires_days": 90,
    "cool_down_hours": 24,
    "norm_outlier": 6.0,
}
_STRICT: dict[str, Any] = {
    **_STANDARD,
    "stages": [
        {"name": "合議 / Joint review", "role": "reviewer", "needed": 2},
        {"name": "決裁 / Decision", "role": "manager", "needed": 1},
    ],
    "required_suites": ["context", "retention"],
    "gates": _USEFUL,
    "expires_days": 30,
}
POLICIES: Mapping[str, Mapping[str, Any]] = {"standard": _STANDARD, "strict": _STRICT}
# In a demonstration every role is a minute old: nothing could be approved for a day.
DEMO_POLICIES: Mapping[str, Mapping[str, Any]] = {
    name: {**policy, "cool_down_hours": 0} for name, policy in POLICIES.items()
}
