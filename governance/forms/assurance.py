"""Forms of people, roles, policies and service tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from governance.forms.proof import FIELDS, ProofForm
from governance.forms.recorded import no_personal_data
from governance.policy.actions import DECISIONS, MAY
from governance.policy.actors import ROLES, SCOPES
from governance.policy.gates import METRICS as GATED
from governance.policy.gates import PASSABLE, passable
from governance.policy.repairs import KINDS, repairs
from governance.policy.words import REPAIRS, ROLE_NAMES
from governance.templatetags.assurance import SCOPE_NAMES
from governance.templatetags.states import METRICS

STAGES, MOST_STAGES = 3, 20
"""Stages that the form begins with; those that a policy may have."""
SUITES = (("context", _("Questions on its context")), ("retention", _("Retention of what the base can do")))
_DECIDING = sorted(frozenset().union(*(MAY[action] for action in DECISIONS)), reverse=True)
_GATES = {"recovery": ">=", "retention": ">=", "personal_data": "<="}


class PersonForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150)
    email = forms.EmailField(label=_("Mail address"), help_text=_("They sign in with it."), max_length=254)


class AccountForm(forms.Form):
    email = forms.EmailField(label=_("Mail address"), help_text=_("They sign in with it."), max_length=254)


class GrantForm(ProofForm):
    role = forms.ChoiceField(label=_("Role"), choices=[(role, ROLE_NAMES[role]) for role in ROLES])
    reason = forms.CharField(
        validators=[no_personal_data], label=_("Reason"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class RevokeForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"))
    reason = forms.CharField(
        validators=[no_personal_data], label=_("Reason"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )
    prefix = "revoke"

    def __init__(self, *args: Any, held: tuple[str, ...], **more: Any) -> None:  # noqa: ANN401  Django's signature
        super().__init__(*args, **more)
        self.fields["role"].choices = [(role, ROLE_NAMES.get(role, role)) for role in held]  # type: ignore[attr-defined]


class TokenForm(forms.Form):
    name = forms.CharField(validators=[no_personal_data], label=_("What it is for"), max_length=150)
    scopes = forms.MultipleChoiceField(
        label=_("What it may"),
        choices=[(scope, SCOPE_NAMES.get(scope, scope)) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A token never approves, deploys or administers."),
    )
    holder = forms.ChoiceField(
        label=_("Who answers for it"),
        required=False,
        help_text=_("This person decides on nothing that was made with the token. Empty: you."),
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (364, _("a year"))],
        initial=30,
    )

    def __init__(self, *args: Any, people: Sequence[tuple[str, str]], **more: Any) -> None:  # noqa: ANN401  Django's
        super().__init__(*args, **more)
        self.fields["holder"].choices = [("", _("Myself")), *people]  # type: ignore[attr-defined]


class PolicyForm(ProofForm):
    name = forms.RegexField(
        r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$",
        label=_("Name"),
        help_text=_("3 to 40 small letters, digits and dashes."),
        max_length=40,
    )
    required_suites = forms.MultipleChoiceField(
        label=_("Required evaluations"), choices=SUITES, widget=forms.CheckboxSelectMultiple, required=False
    )
    recovery = forms.FloatField(
        label=_("Recovery of at least"),
        help_text=_("Of what the prompt with the whole context answers, 1 is all of it. Empty: no threshold."),
        required=False,
    )
    retention = forms.FloatField(
        label=_("Retention of at least"), help_text=_("1 is unharmed. Empty: no threshold."), required=False
    )
    personal_data = forms.FloatField(
        label=_("Personal data found, at most"), help_text=_("Number of finds. Empty: no threshold."), required=False
    )
    norm_outlier = forms.FloatField(
        label=_("Distance from the approved adapters, at most"),
        help_text=_("In spreads of the norms of approved adapters. Empty: no threshold."),
        min_value=0,
        required=False,
    )
    passable = forms.MultipleChoiceField(
        label=_("Thresholds that an approval with conditions may pass over"),
        help_text=_("What is not chosen must be reached, with conditions too."),
        choices=[(metric, METRICS[metric]) for metric in GATED],
        initial=PASSABLE,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    expires_days = forms.IntegerField(
        label=_("Days after which requests and approvals expire"), min_value=1, max_value=3650
    )
    cool_down_hours = forms.IntegerField(label=_("Hours until a new role counts"), min_value=0, max_value=24 * 3650)
    repairs = forms.MultipleChoiceField(
        label=_("Drifts that the system repairs by itself"),
        help_text=_("What is not chosen stays open on the pages until a person has repaired it."),
        choices=[(kind, REPAIRS[kind]) for kind in KINDS],
        initial=KINDS,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    stages = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=MOST_STAGES, required=False)

    def __init__(self, *args: Any, count: int = STAGES, **more: Any) -> None:  # noqa: ANN401  Django's signature
        super().__init__(*args, **more)
        self.count = count
        self.initial["stages"] = count
        for number in self._numbers:
            first = number == 1
            words = {"n": number}
            self.fields[f"stage_{number}"] = forms.CharField(
                label=_("Stage %(n)d: name") % words, max_length=100, required=first
            )
            self.fields[f"role_{number}"] = forms.ChoiceField(
                label=_("Stage %(n)d: decided by") % words,
                choices=[(role, ROLE_NAMES[role]) for role in _DECIDING],
                required=first,
            )
            self.fields[f"needed_{number}"] = forms.IntegerField(
                label=_("Stage %(n)d: approvals needed") % words, min_value=1, max_value=20, initial=1, required=first
            )
        places = [f"{part}_{number}" for number in self._numbers for part in ("stage", "role", "needed")]
        rest = [name for name in self.fields if name not in {"name", *FIELDS, *places}]
        self.order_fields(["name", *places, *rest, *FIELDS])

    @property
    def _numbers(self) -> range:
        return range(1, self.count + 1)

    def with_another_stage(self) -> dict[str, Any]:
        """What was entered so far, as the beginning of a form with one stage more; the proof is entered again."""
        named = {name: self[name].value() for name in self.fields if name not in {*FIELDS, "stages"}}
        return {**named, f"needed_{self.count + 1}": 1}

    def policy(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """The policy of a valid form; what the form cannot say is kept from the version before."""
        given, old = self.cleaned_data, before or {}
        gates = [gate for gate in old.get("gates", ()) if not _on_form(gate)]
        names = {gate["metric"]: gate["name"] for gate in old.get("gates", ()) if _on_form(gate)}
        gates += [
            {"name": names.get(metric, metric), "metric": metric, "operator": sign, "threshold": given[metric]}
            for metric, sign in _GATES.items()
            if given[metric] is not None
        ]
        return {
            "stages": [
                {"name": given[f"stage_{n}"], "role": given[f"role_{n}"], "needed": given[f"needed_{n}"]}
                for n in self._numbers
                if given[f"stage_{n}"].strip()
            ],
            "required_suites": given["required_suites"],
            "gates": gates,
            "expires_days": given["expires_days"],
            "cool_down_hours": given["cool_down_hours"],
            "norm_outlier": given["norm_outlier"],
            "passable": given["passable"],
            "repairs": given["repairs"],
        }


def filled_in(name: str, policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy as the form begins with it."""
    stages = {
        f"{field}_{n}": stage[part]
        for n, stage in enumerate(policy["stages"], start=1)
        for field, part in (("stage", "name"), ("role", "role"), ("needed", "needed"))
    }
    gates = {gate["metric"]: gate["threshold"] for gate in policy["gates"] if _on_form(gate)}
    plain = ("required_suites", "norm_outlier", "expires_days", "cool_down_hours")
    chosen = {"passable": passable(policy), "repairs": repairs(policy)}
    return {"name": name, **stages, **gates, **{field: policy[field] for field in plain}, **chosen}


def _on_form(gate: Mapping[str, Any]) -> bool:
    return bool(_GATES.get(gate["metric"]) == gate["operator"])
