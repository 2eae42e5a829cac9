"""Approval policies and their versions."""

from dataclasses import dataclass

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.transactions import Reader
from governance.policy.gates import Gate, Metric, gate, passable
from governance.policy.repairs import KINDS, Repair, repairs


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One version of a policy."""

    name: str
    entry: Entry
    versions: tuple[Entry, ...]
    """All of them, newest first."""

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Its thresholds."""
        return tuple(gate(stated) for stated in self.entry.data["gates"])

    @property
    def passable(self) -> tuple[Metric, ...]:
        """Metrics whose thresholds an approval with conditions may pass over."""
        return passable(self.entry.data)

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """Differences that the system repairs by itself."""
        return repairs(self.entry.data)

    @property
    def left(self) -> tuple[Repair, ...]:
        """Differences whose repair it leaves to a person."""
        return tuple(kind for kind in KINDS if kind not in self.repairs)

    @property
    def latest(self) -> bool:
        """Whether it is in force."""
        return self.entry.seq == self.versions[0].seq


def policies(reader: Reader) -> tuple[Policy, ...]:
    """Those in force, by name."""
    return tuple(policy(reader, entry.subject.id) for entry in people_queries.policies(reader))


def policy(reader: Reader, name: str, version: int | None = None) -> Policy:
    """One version of a policy, the latest unless said otherwise.

    Raises:
        UnknownSubjectError: there is none.
    """
    history = queries.history(reader, Subject(kind="policy", id=name))
    versions = tuple(entry for entry in history[::-1] if entry.event == "policy:set")
    wanted = next((entry for entry in versions if version in {None, entry.data["version"]}), None)
    if wanted is None:
        raise UnknownSubjectError(f"the ledger has no policy {name!r} of this version")
    return Policy(name=name, entry=wanted, versions=versions)
