"""What this system records without a person's words: written in English into the ledger, said in the reader's language.

A ledger keeps what was written, so pages recognise the text. Services and worker write :data:`WRITTEN`; what engines,
gate and canary find wrong is raised where it is found and ends a deployment.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_SHAPES: Mapping[str, str] = {"context": r"[0-9a-f-]{36}", "version": r"\d+"}
"""Of what is filled in: a person who writes nearly the same words is left alone."""
_PARTS = "; "


@dataclass(frozen=True)
class Words:
    """One text with what is filled in."""

    written: str
    said: Promise
    fields: tuple[str, ...] = ("error",)
    """Of entries, in which the system writes it; ``gate``: a part of what the gate refuses."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What recognises it."""
        pieces = re.split(r"\{(\w+)\}", self.written)
        return re.compile(
            "".join(
                f"(?P<{piece}>{_SHAPES.get(piece, '.+?')})" if place % 2 else re.escape(piece)
                for place, piece in enumerate(pieces)
            ),
            re.DOTALL,
        )


WRITTEN: Mapping[str, Words] = {
    "context_erased": Words(
        "context {context} was erased", _("The context %(context)s was erased."), ("reason", "error")
    ),
    "kill_switch": Words("stopped by the kill switch", _("Stopped by the kill switch.")),
    "policy_replaced": Words(
        "policy {name} was replaced by version {version}",
        _("The policy %(name)s was replaced by version %(version)s."),
        ("cause",),
    ),
    "evaluated_again": Words(
        "a new evaluation of the adapter was recorded", _("A new evaluation of the adapter was recorded."), ("cause",)
    ),
    "changed_since": Words(
        "the adapter, its evaluations or the policy changed after the request",
        _("The adapter, its evaluations or the policy changed after the request."),
        ("cause",),
    ),
}
_FOUND = (
    Words(
        "an adapter must have a canary from its evaluation, it has none: evaluate it again",
        _("The adapter has no canary from its evaluation: evaluate it again."),
    ),
    Words(
        "{name} on {engine} must lie within {tolerance} nats of what was approved and nearer to it than to the bare "
        "base, it lies {away} and {bare} away: it is not served",
        _(
            "%(name)s on %(engine)s lies %(away)s nats from what was approved and %(bare)s from the bare base. Allowed "
            "are %(tolerance)s, and it must lie nearer to what was approved: it is not served."
        ),
        ("error", "detail"),
    ),
    Words(
        "{engine} must list {name} after loading it, it does not: it is not served",
        _("%(engine)s does not list %(name)s after loading it: it is not served."),
    ),
    Words(
        "{name} on {engine} must be adapter {wanted}, it is {seen}",
        _("%(name)s on %(engine)s must be the adapter %(wanted)s, it is %(seen)s."),
    ),
    Words(
        "the artifact {digest} was changed: it now has the digest {seen}",
        _("The stored file %(digest)s was changed: it now has the digest %(seen)s."),
    ),
    Words(
        "{folder} must hold {wanted}, it holds {seen}: remove the folder",
        _("%(folder)s must hold %(wanted)s, it holds %(seen)s: remove the folder."),
    ),
    Words(
        "{file} must have the digest {digest}: it was changed; remove the folder",
        _("%(file)s must have the digest %(digest)s: it was changed. Remove the folder."),
    ),
    Words(
        "the engine {name} must be one of {names}: add it to RINGI_ENGINES",
        _("The engine %(name)s is none of %(names)s: add it to RINGI_ENGINES."),
    ),
    Words(
        "{engine} must have been started with the adapter of {name}, it was not",
        _("%(engine)s was not started with the adapter of %(name)s."),
    ),
    Words(
        "llama.cpp takes adapters when it starts: put {digest}.gguf (ringi export --format gguf) into its folder, "
        "start {engine} again with it, then deploy {name}",
        _(
            "llama.cpp takes adapters when it starts: put %(digest)s.gguf (ringi export --format gguf) into its "
            "folder, start %(engine)s again with it, then deploy %(name)s."
        ),
    ),
    Words("the adapter's files cannot be read: {parts}", _("The adapter's files cannot be read: %(parts)s")),
    Words("the gate refuses the adapter: {parts}", _("The gate refuses the adapter: %(parts)s")),
    Words("its header is not that of a safetensors file", _("the header is not that of a safetensors file"), ("gate",)),
    Words("a tensor of type {dtype}", _("a tensor of the type %(dtype)s"), ("gate",)),
    Words(
        "it is for the base {base}, the slot serves {served}",
        _("it is for the base %(base)s, the slot serves %(served)s"),
        ("gate",),
    ),
    Words(
        "rank and alpha must be equal and at most {limit}, they are {rank} and {alpha}",
        _("rank and alpha must be equal and at most %(limit)s, they are %(rank)s and %(alpha)s"),
        ("gate",),
    ),
    Words("{name} holds NaN or infinity", _("%(name)s holds NaN or infinity"), ("gate",)),
    Words("{name} is missing", _("%(name)s is missing"), ("gate",)),
    Words("{name} belongs to no site that was recorded", _("%(name)s belongs to no site that was recorded"), ("gate",)),
    Words(
        "{site} must have the rank {rank}, its shapes are {a} and {b}",
        _("%(site)s must have the rank %(rank)s, its shapes are %(a)s and %(b)s"),
        ("gate",),
    ),
    Words(
        "{site} has the norm {seen}, the ledger says {norm}",
        _("%(site)s has the norm %(seen)s, the ledger says %(norm)s"),
        ("gate",),
    ),
)
_CODES: Mapping[str, Promise] = {
    "canary": _("The engine serves something else than what was approved:"),
    "integrity": _("Stored files are not what was recorded:"),
    "unsafe_adapter": _("The gate refuses the adapter:"),
    "engine_refused": _("The engine refused the adapter. It said:"),
    "unknown_adapter": _("The engine does not know the adapter. It said:"),
    "unknown_subject": _("Something that the ledger names is not there:"),
}
"""Of errors that end a deployment: said before what is in nobody's words but the engine's."""


def written(code: str, **values: object) -> str:
    """What the system records, in English."""
    return WRITTEN[code].written.format(**values)


def spoken(field: str, text: str) -> str:
    """What a field of an entry says, in the reader's language where the system wrote it."""
    code, _colon, detail = text.partition(": ")
    if field == "error" and code in _CODES:
        return _said(_FOUND, field, detail) or f"{_CODES[code]} {detail}"
    return _said((*WRITTEN.values(), *_FOUND), field, text) or text


def _said(table: Iterable[Words], field: str, text: str) -> str:
    """In words, where the text is one of a table; empty where it is none."""
    for words in table:
        if field in words.fields and (found := words.pattern.fullmatch(text)):
            filled = found.groupdict()
            if "parts" in filled:
                parts = filled["parts"].split(_PARTS)
                filled["parts"] = _PARTS.join(_said(_FOUND, "gate", part) or part for part in parts)
            return str(words.said) % filled
    return ""
