"""The first run: example contexts become adapters of the real base, and some of them go the whole way.

    first      approved, deployed, then replaced by second: superseded
    second     approved and deployed
    third      waits for the reviewer
    fourth     rejected
    others     generated and evaluated

Each step looks first whether it was done: a run that was stopped goes on, a second start changes nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from adapters_core.errors import DeniedError, UnavailableError, UnknownSubjectError
from adapters_core.ledger import adapter_queries, context_queries, job_queries, request_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterRow
from adapters_core.ledger.context_queries import ContextFilter
from adapters_core.ledger.request_queries import RequestFilter, RequestRow
from governance.demonstration.cast import person
from governance.demonstration.examples import Example, examples
from governance.installation import installation
from governance.services.approve import approve
from governance.services.create_slot import create_slot
from governance.services.deciding import Signature
from governance.services.deploy import deploy
from governance.services.evaluate import evaluate
from governance.services.generate import generate
from governance.services.reject import reject
from governance.services.request_approval import request_approval
from governance.services.submit_context import submit_context

SLOT, TITLE = "helpdesk", "社内問合せ窓口 / Internal help desk"
POLICY = "standard"
FIRST = ("travel-expenses", "telework-rules", "approval-rules", "visitor-rules")
"""Those that go further than the others."""
REASON = "架空の例です / A fictional example"
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 6 * 3600.0
Say = Callable[[str], None]


def tell(say: Say, *, most: int | None = None) -> None:
    """Bring the examples to every state.

    Args:
        say: told what has been done.
        most: examples; None: all.

    Raises:
        UnknownSubjectError: the people of the demonstration were not made.
        UnavailableError: a job failed, or nobody has done it for hours.
    """
    found = {example.name: example for example in examples()}
    order = [found[name] for name in FIRST if name in found]
    order += [example for name, example in found.items() if name not in FIRST]
    order = order[:most]
    contexts = {example.name: _context(example) for example in order}
    if _complete(contexts.values()):
        say("the demonstration is as it was left")
        return
    heads = order[: len(FIRST)]
    say(f"{len(order)} example contexts are in the vault; their adapters are generated and evaluated now")
    adapters: dict[str, str] = {}
    for example in heads:  # two before the first evaluation: each is the other's control
        adapters[example.name] = _generated(contexts[example.name])
        say(f"generated: {example.title}")
    for number, example in enumerate(heads):
        _evaluated(adapters[example.name])
        say(f"evaluated: {example.title}")
        _STEPS[number](adapters[example.name], say)
    for example in order[len(FIRST) :]:
        _evaluated(_generated(contexts[example.name]))
        say(f"generated and evaluated: {example.title}")
    say("the demonstration is complete: every page has something to show")


def _complete(contexts: Iterable[str]) -> bool:
    """Whether every example has its evaluated adapter: then what people made of them since is theirs."""
    with installation().ledger.read() as db:
        return all(any(row.evaluations for row in adapter_queries.adapters_of_context(db, one)) for one in contexts)


def _context(example: Example) -> str:
    with installation().ledger.read() as db:
        for row in context_queries.find_contexts(db, ContextFilter(text=example.title), limit=20):
            if row.title == example.title:
                return row.context
    return submit_context(
        person("engineer"),
        title=example.title,
        text=example.text,
        questions=example.questions,
        personal_data_reason=REASON,
    )


def _generated(context: str) -> str:
    """The adapter of a context: the one that there is, else one that a worker makes now."""
    with installation().ledger.read() as db:
        known = adapter_queries.adapters_of_context(db, context)
    if known:
        return known[0].digest
    return _result(generate(person("engineer"), context=context).job)


def _evaluated(adapter: str) -> None:
    if not _row(adapter).evaluations:
        _result(evaluate(person("engineer"), adapter=adapter, suite="context").job)


def _result(job: str) -> str:
    """Wait until a worker has done a job."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with installation().ledger.read() as db:
            found = job_queries.job(db, job)
        if found.state == "done":
            return str((found.result or {})["adapter"])
        if found.state in {"failed", "cancelled"}:
            raise UnavailableError(f"the job {job} ({found.kind}) {found.state}: {found.error}")
        time.sleep(_LOOK_SECONDS)
    raise UnavailableError(f"no worker has done the job {job}: is one running?")


def _replaced(adapter: str, say: Say) -> None:
    """Deployed at first; the next one takes its place."""
    _deployed(adapter, say)


def _deployed(adapter: str, say: Say) -> None:
    """Approved and deployed."""
    if any(row.state == "succeeded" for row in _deployments(adapter)):
        return
    _slot(_row(adapter))
    request = _request(adapter)
    if request.state in {"requested", "in_review"}:
        try:
            approve(person("reviewer"), request=request.request, signature=_signature(request))
        except DeniedError as error:
            say(f"not approved ({error.reason_code}): {error}. The page of the request says why")
            return
    with installation().ledger.read() as db:
        seen = slot_queries.slot(db, SLOT)
    if seen.adapter != adapter and seen.pending is None:
        deploy(person("admin"), slot=SLOT, adapter=adapter, seen=seen.adapter, reason=REASON)
    _wait_for_slot()
    say(f"{_row(adapter).name}: approved, and {_row(adapter).state} in the slot {SLOT}")


def _waiting(adapter: str, say: Say) -> None:
    """Requested; the reviewer's turn."""
    _slot(_row(adapter))
    _request(adapter)
    say(f"{_row(adapter).name}: waits for the reviewer")


def _rejected(adapter: str, say: Say) -> None:
    """Requested and rejected."""
    _slot(_row(adapter))
    request = _request(adapter)
    if request.state in {"requested", "in_review"}:
        comment = "入館証の記載が現行の規程と合いません / Does not match the rules in force"
        reject(person("reviewer2"), request=request.request, signature=_signature(request, "decided"), comment=comment)
    say(f"{_row(adapter).name}: rejected")


_STEPS: Sequence[Callable[[str, Say], None]] = (_replaced, _deployed, _waiting, _rejected)


def _request(adapter: str) -> RequestRow:
    with installation().ledger.read() as db:
        found = request_queries.find_requests(db, RequestFilter(adapter=adapter), limit=1)
    if found:
        return found[0]
    identifier = request_approval(person("engineer"), adapter=adapter, slot=SLOT, comment=REASON)
    with installation().ledger.read() as db:
        return request_queries.request(db, identifier)


def _signature(request: RequestRow, meaning: str = "approved") -> Signature:
    return Signature(meaning=meaning, stage=request.stage, bound_digest=request.bound_digest)


def _slot(row: AdapterRow) -> None:
    try:
        with installation().ledger.read() as db:
            slot_queries.slot(db, SLOT)
    except UnknownSubjectError:
        create_slot(person("admin"), name=SLOT, title=TITLE, base=row.base, engine="core", policy=POLICY)


def _wait_for_slot() -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with installation().ledger.read() as db:
            if slot_queries.slot(db, SLOT).pending is None:
                return
        time.sleep(_LOOK_SECONDS)
    raise UnavailableError(f"the deployment in {SLOT} has not ended: is a worker running?")


def _deployments(adapter: str) -> tuple[slot_queries.DeploymentRow, ...]:
    with installation().ledger.read() as db:
        return slot_queries.deployments_of(db, adapter)


def _row(adapter: str) -> AdapterRow:
    with installation().ledger.read() as db:
        return adapter_queries.adapter(db, adapter)
