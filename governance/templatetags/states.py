"""How states, kinds and signatures are shown: always in words, with a colour besides."""

from django import template
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from governance.policy.words import STATE_NAMES

register = template.Library()
TONES = {
    "approved": "good",
    "deployed": "live",
    "conditionally_approved": "warn",
    "requested": "key",
    "in_review": "key",
    "sent_back": "warn",
    "rejected": "bad",
    "voided": "bad",
    "expired": "bad",
}
KINDS: dict[str, Promise] = {
    "deploy": pgettext_lazy("kind of deployment", "Deployment"),
    "rollback": pgettext_lazy("kind of deployment", "Rollback"),
    "kill": pgettext_lazy("kind of deployment", "Kill switch"),
    "break_glass": pgettext_lazy("kind of deployment", "Break glass"),
}
ENDS: dict[str, tuple[Promise, str]] = {
    "requested": (pgettext_lazy("state of a deployment", "Under way"), "key"),
    "succeeded": (pgettext_lazy("state of a deployment", "Succeeded"), "good"),
    "failed": (pgettext_lazy("state of a deployment", "Failed"), "bad"),
}
METHODS: dict[str, Promise] = {
    "password": pgettext_lazy("proof", "password"),
    "totp": pgettext_lazy("proof", "authenticator app"),
    "recovery_code": pgettext_lazy("proof", "recovery code"),
    "passkey": pgettext_lazy("proof", "passkey"),
    "oidc": pgettext_lazy("proof", "identity provider"),
}


@register.filter
def state_chip(state: str) -> SafeString:
    """The state of an adapter or request."""
    return _chip(str(STATE_NAMES.get(state, state)), TONES.get(state, ""))


@register.filter
def end_chip(state: str) -> SafeString:
    """The state of a deployment."""
    name, tone = ENDS[state]
    return _chip(str(name), tone)


@register.filter
def kind_name(kind: str) -> str:
    """The name of a kind of deployment."""
    return str(KINDS.get(kind, kind))


@register.filter
def methods(stated: str | None) -> str:
    """How somebody proved who they are, from the ledger's ``password+totp``."""
    return " + ".join(str(METHODS.get(one, one)) for one in (stated or "").split("+")) or "–"


@register.filter
def duration(seconds: float | None) -> str:
    """A length of time in words."""
    if seconds is None:
        return "–"
    if seconds < 60:  # noqa: PLR2004  seconds of a minute
        return _("%(seconds)s s") % {"seconds": f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"}  # noqa: PLR2004
    return _("%(minutes)d min %(seconds)02d s") % {"minutes": int(seconds // 60), "seconds": int(seconds % 60)}


@register.filter
def metric_name(metric: str) -> str:
    """The name of a metric of a gate or an evaluation."""
    return str(METRICS.get(metric, metric))


@register.filter
def measured(value: float | str | None, metric: str) -> str:
    """A value of a metric with four significant digits: as a percentage where it is a share."""
    if not isinstance(value, int | float):
        return "–"
    return f"{100 * value:.4g}%" if metric in SHARES else f"{value:.4g}"


SHARES = frozenset({"recovery", "retention", "f1", "exact_match", "contains"})
"""Metrics that are a part of one."""
METRICS: dict[str, Promise] = {
    "recovery": pgettext_lazy("metric", "Recovery of the document"),
    "retention": pgettext_lazy("metric", "Retention of other knowledge"),
    "norm_outlier": pgettext_lazy("metric", "Size of the change among approved ones"),
    "personal_data": pgettext_lazy("metric", "Personal data found"),
    "nll": pgettext_lazy("metric", "Surprise at the answer (nats)"),
    "f1": pgettext_lazy("metric", "Words in common (F1)"),
    "exact_match": pgettext_lazy("metric", "Exact match"),
    "contains": pgettext_lazy("metric", "Answer contained"),
}
BASELINES: dict[str, Promise] = {
    "none": pgettext_lazy("method", "Bare base, no document"),
    "prompt": pgettext_lazy("method", "Document in the prompt"),
    "adapter": pgettext_lazy("method", "This adapter"),
    "wrong": pgettext_lazy("method", "Adapter of another document"),
    "retrieval": pgettext_lazy("method", "Passages found by search"),
}


@register.filter
def method_label(method: str) -> str:
    """The name of a way of answering that an evaluation compared."""
    return str(BASELINES.get(method, method))


def _chip(text: str, tone: str) -> SafeString:
    return format_html('<span class="chip{}">{}</span>', f" chip-{tone}" if tone else "", text)
