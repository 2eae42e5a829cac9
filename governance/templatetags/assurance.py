"""Words and addresses of the pages on assurance."""

from datetime import timedelta

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext_lazy

from adapters_core.ledger.records import Subject
from governance.policy.words import INCIDENT_NAMES, REPAIRS, VERDICT_NAMES

register = template.Library()
KIND_NAMES: dict[str, Promise] = {
    "adapter": pgettext_lazy("kind of subject", "adapter"),
    "context": pgettext_lazy("kind of subject", "context"),
    "delegation": pgettext_lazy("kind of subject", "delegation"),
    "deployment": pgettext_lazy("kind of subject", "deployment"),
    "drift": pgettext_lazy("kind of subject", "drift"),
    "incident": pgettext_lazy("kind of subject", "incident"),
    "job": pgettext_lazy("kind of subject", "job"),
    "ledger": pgettext_lazy("kind of subject", "ledger"),
    "person": pgettext_lazy("kind of subject", "person"),
    "pilot": pgettext_lazy("kind of subject", "pilot"),
    "policy": pgettext_lazy("kind of subject", "policy"),
    "request": pgettext_lazy("kind of subject", "request"),
    "slot": pgettext_lazy("kind of subject", "slot"),
    "token": pgettext_lazy("kind of subject", "service token"),
}
SCOPE_NAMES: dict[str, Promise] = {
    "generate": pgettext_lazy("scope", "generate adapters"),
    "evaluate": pgettext_lazy("scope", "evaluate adapters"),
    "read": pgettext_lazy("scope", "read everything"),
    "infer": pgettext_lazy("scope", "ask what slots serve"),
}
JOB_NAMES: dict[str, Promise] = {
    "generate": pgettext_lazy("kind of job", "Generate an adapter"),
    "extend": pgettext_lazy("kind of job", "Add to an adapter"),
    "erase": pgettext_lazy("kind of job", "Erase from an adapter"),
    "evaluate": pgettext_lazy("kind of job", "Evaluate an adapter"),
    "verify": pgettext_lazy("kind of job", "Verify the ledger"),
}
STAGE_NAMES: dict[str, Promise] = {
    "generate": pgettext_lazy("stage of a job", "reading the text"),
    "extend": pgettext_lazy("stage of a job", "reading the text"),
    "erase": pgettext_lazy("stage of a job", "taking the text out"),
    "questions": pgettext_lazy("stage of a job", "asking the questions"),
    "answers": pgettext_lazy("stage of a job", "writing the answers"),
    "retention": pgettext_lazy("stage of a job", "asking about other things"),
    "attribution": pgettext_lazy("stage of a job", "finding where it comes from"),
    "canary": pgettext_lazy("stage of a job", "taking the canary"),
    "verify": pgettext_lazy("stage of a job", "going through the entries"),
}
TOPIC_NAMES: dict[str, Promise] = {
    "engine.deploy": pgettext_lazy("kind of message", "Deployment, to the engine"),
    "engine.canary": pgettext_lazy("kind of message", "Check after a rollback"),
    "artifact.delete": pgettext_lazy("kind of message", "Deletion of files"),
    "vault.scrub": pgettext_lazy("kind of message", "Scrubbing after an erasure"),
    "notice": pgettext_lazy("kind of message", "Notice"),
    "mail": pgettext_lazy("kind of message", "Mail"),
    "webhook": pgettext_lazy("kind of message", "Webhook"),
    "mlflow.adapter": pgettext_lazy("kind of message", "Adapter, to MLflow"),
    "mlflow.evaluation": pgettext_lazy("kind of message", "Evaluation, to MLflow"),
    "mlflow.alias": pgettext_lazy("kind of message", "Alias, to MLflow"),
    "mlflow.delete": pgettext_lazy("kind of message", "Deletion, to MLflow"),
}
DELIVERY_NAMES: dict[str, Promise] = {
    "pending": pgettext_lazy("state of a message", "Waiting"),
    "leased": pgettext_lazy("state of a message", "Being delivered"),
    "delivered": pgettext_lazy("state of a message", "Delivered"),
    "refused": pgettext_lazy("state of a message", "Refused"),
}
REPAIR_NAMES: dict[str, Promise] = {
    "loaded again, past the gate and the canary": pgettext_lazy("repair", "loaded again, past the gate and the canary"),
    "unloaded: the ledger knows no such deployment": pgettext_lazy("repair", "unloaded"),
    "the aliases were set again": pgettext_lazy("repair", "the aliases were set again"),
    "the difference was gone": pgettext_lazy("repair", "gone: a person repaired it, or it was needed no more"),
}
"""What the ledger says of a repair -> how pages say it."""
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


@register.filter
def incident_name(what: str) -> str:
    """What happened, in words."""
    return str(INCIDENT_NAMES.get(what, what))


@register.filter
def verdict_name(verdict: str) -> str:
    """What the review of an incident came to."""
    return str(VERDICT_NAMES.get(verdict, verdict))


@register.filter
def stage_name(stage: str) -> str:
    """What a job is doing, in the person's language."""
    return str(STAGE_NAMES.get(stage, stage))


@register.filter
def topic_name(topic: str) -> str:
    """What a message is for, in the person's language."""
    return str(TOPIC_NAMES.get(topic, topic))


@register.filter
def delivery_name(state: str) -> str:
    """How far a message has come, in the person's language."""
    return str(DELIVERY_NAMES.get(state, state))


@register.filter
def repair_name(how: str) -> str:
    """What was done about a difference, in the person's language."""
    return str(REPAIR_NAMES.get(how, how))


@register.filter
def repair_kind_name(kind: str) -> str:
    """What the system does about a kind of difference, in the person's language."""
    return str(REPAIRS.get(kind, kind))


@register.filter
def kind_name(kind: str) -> str:
    """The name of a kind of subject in the person's language."""
    return str(KIND_NAMES.get(kind, kind))


@register.filter
def scope_name(scope: str) -> str:
    """What a service token may, in the person's language."""
    return str(SCOPE_NAMES.get(scope, scope))


@register.filter
def job_name(kind: str) -> str:
    """What a job does, in the person's language."""
    return str(JOB_NAMES.get(kind, kind))


@register.filter
def span(value: timedelta | None) -> str:
    """A length of time in its largest unit."""
    if value is None:
        return "–"
    seconds = int(value.total_seconds())
    if seconds >= 2 * _DAY:
        return ngettext("%(n)d day", "%(n)d days", seconds // _DAY) % {"n": seconds // _DAY}
    if seconds >= 2 * _HOUR:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // _HOUR) % {"n": seconds // _HOUR}
    if seconds >= _MINUTE:
        return ngettext("%(n)d minute", "%(n)d minutes", seconds // _MINUTE) % {"n": seconds // _MINUTE}
    return _("less than a minute")


@register.filter
def subject_address(subject: Subject) -> str:
    """The page of a subject; of one without a page, what the audit log says of it."""
    try:
        return reverse(subject.kind, args=[subject.id])
    except NoReverseMatch:
        return f"{reverse('audit')}?subject={subject.kind}:{subject.id}"
