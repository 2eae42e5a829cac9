"""An adapter: what follows from its own entries, its requests and its deployments. Pure.

What pages show of it is the latest thing that happened, for whatever slot. Whether it may serve in a slot is asked of
the request that approved it for that slot (deployments).

    generated -> evaluated -> (the state of its latest request) -> deployed -> superseded | rolled_back

``deployed`` is what is shown while any slot serves it, whatever else happens; ``retired`` ends all, at any time.
"""

from dataclasses import dataclass, replace

from adapters_core.ledger.flow.lifecycles import illegal
from adapters_core.ledger.flow.requests import APPROVED

REMOVED_BY = {
    "deploy": "superseded",
    "break_glass": "superseded",
    "rollback": "rolled_back",
    "kill": "rolled_back",
}
"""What an adapter has become when a deployment of this kind put another one (or the bare base) in its place."""


@dataclass(frozen=True, kw_only=True)
class AdapterState:
    """What follows from the entries about an adapter."""

    phase: str
    """The latest thing that happened to it, apart from serving and retirement."""
    evaluations: int = 0
    serving: int = 0
    """Slots that serve it now."""
    request: str | None = None
    """Its latest request."""
    approvals: int = 0
    """Requests that are approved, for whatever slot; none once it is retired."""
    retired: bool = False

    @property
    def state(self) -> str:
        """What pages show."""
        if self.retired:
            return "retired"
        return "deployed" if self.serving else self.phase


def generated(before: AdapterState | None) -> AdapterState:
    """After ``adapter:generated``."""
    if before:
        raise illegal("adapter:generated", "adapter that is new", before.state)
    return AdapterState(phase="generated")


def evaluated(before: AdapterState | None) -> AdapterState:
    """After ``adapter:evaluated``. While a request is open or granted, its state stays what is shown."""
    state = _alive(before, "adapter:evaluated")
    phase = state.phase if state.phase in _STANDING else "evaluated"
    return replace(state, phase=phase, evaluations=state.evaluations + 1)


def tracked(before: AdapterState | None) -> AdapterState:
    """After ``adapter:tracked``: MLflow has a run of it. It changes nothing."""
    if before is None:
        raise illegal("adapter:tracked", "known adapter", None)
    return before


def retired(before: AdapterState | None) -> AdapterState:
    """After ``adapter:retired``."""
    return replace(_alive(before, "adapter:retired"), retired=True, approvals=0)


def artifact_deleted(before: AdapterState | None) -> AdapterState:
    """After ``adapter:artifact_deleted``: only what no slot needs any more may lose its bytes."""
    if before is None or not before.retired or before.serving:
        raise illegal(
            "adapter:artifact_deleted", "adapter that is retired and not served", before.state if before else None
        )
    return before


def requested(before: AdapterState | None, request: str, *, another_open: bool) -> AdapterState:
    """After ``request:opened``: it was evaluated, and no other request for it is open."""
    state = _alive(before, "request:opened")
    if not state.evaluations:
        raise illegal("request:opened", "adapter that is evaluated", state.state)
    if another_open:
        raise illegal("request:opened", "adapter without an open request", f"waiting for request {state.request}")
    return replace(state, phase="requested", request=request)


def request_moved(before: AdapterState, request: str, moved: tuple[str, str], *, event: str) -> AdapterState:
    """After a request for it went from one state to another. Nobody approves what is retired."""
    if before.retired:
        if event in _APPROVING:
            raise illegal(event, "request for an adapter that is not retired", before.state)
        change = 0
    else:
        change = (moved[1] in APPROVED) - (moved[0] in APPROVED)
    phase = moved[1] if before.request == request else before.phase
    return replace(before, phase=phase, approvals=before.approvals + change)


def placed(before: AdapterState) -> AdapterState:
    """After a slot began to serve it."""
    return replace(before, serving=before.serving + 1, phase="deployed")


def displaced(before: AdapterState, kind: str) -> AdapterState:
    """After a deployment of this kind took it out of a slot."""
    serving = before.serving - 1
    return replace(before, serving=serving, phase=before.phase if serving else REMOVED_BY[kind])


_APPROVING = frozenset({"request:approved", "request:conditionally_approved"})
_STANDING = frozenset({"requested", "in_review", "approved", "conditionally_approved", "deployed"})


def _alive(before: AdapterState | None, event: str) -> AdapterState:
    if before is None or before.retired:
        raise illegal(event, "known adapter that is not retired", before.state if before else None)
    return before
