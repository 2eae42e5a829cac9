"""The decision on a request, before it is signed."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from adapters_core.ledger.request_queries import RequestRow
from governance.forms.recorded import no_personal_data
from governance.policy.actions import Action
from governance.policy.meanings import meanings
from governance.policy.words import MEANING_NAMES
from governance.selectors.decision_choices import ORDER, Standpoint
from governance.services.deciding import Signature

LONGEST = 4000


def _text(label: object, rows: int = 3, hint: object = "") -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(
        label=label,  # type: ignore[arg-type]
        required=False,
        max_length=LONGEST,
        widget=widget,
        help_text=hint,  # type: ignore[arg-type]
        validators=[no_personal_data],
    )


class DecisionForm(forms.Form):
    """What is decided, in whose name, with which words; and what the person saw when they decided."""

    decision = forms.ChoiceField(
        label=gettext_lazy("Decision"), choices=[(one.value, one.value) for one in ORDER], widget=forms.RadioSelect
    )
    comment = _text(gettext_lazy("Comment"), 4, gettext_lazy("Required to send back or to reject."))
    conditions = _text(gettext_lazy("Conditions"), 3, gettext_lazy("Required to approve with conditions."))
    required = _text(gettext_lazy("What must be done first"), 3, gettext_lazy("For sending back: what you expect."))
    meaning = forms.ChoiceField(
        label=gettext_lazy("Meaning of your signature"),
        required=False,
        choices=[("", gettext_lazy("As is usual for the decision")), *MEANING_NAMES.items()],
    )
    on_behalf_of = forms.ChoiceField(label=gettext_lazy("In whose name"), required=False)
    stage = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=99)
    bound_digest = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  Django's
        standpoints: Sequence[Standpoint],
        row: RequestRow,
        **kwargs: Any,  # noqa: ANN401  Django's
    ) -> None:
        super().__init__(*args, **kwargs)
        self._stages = len(row.stages)
        self._offer_meanings(row.stage)
        field = self.fields["on_behalf_of"]
        names = [(one.principal, _("%(name)s (as delegate)") % {"name": one.name}) for one in standpoints[1:]]
        field.choices = [("", _("In my own name")), *names]  # type: ignore[attr-defined]
        if not names:
            field.widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        """Each decision has words that it may not lack."""
        given: dict[str, Any] = super().clean() or {}
        decision = given.get("decision")
        if decision in {Action.SEND_BACK, Action.REJECT} and not given.get("comment"):
            self.add_error("comment", _("Say why: whoever made the request reads this."))
        if decision == Action.APPROVE_WITH_CONDITIONS and not given.get("conditions"):
            self.add_error("conditions", _("State the conditions under which you approve."))
        if decision and "stage" in given and "meaning" in given:
            fitting = self._fitting(Action(decision), given["stage"])
            given["meaning"] = given["meaning"] or fitting[0]
            if given["meaning"] not in fitting:
                self.add_error("meaning", _("With this decision, it must be: %(names)s.") % {"names": _listed(fitting)})
        return given

    def _offer_meanings(self, stage: int) -> None:
        """What fits one of the decisions at the stage that waits, and which fits which."""
        approving, refusing = (self._fitting(one, stage) for one in (Action.APPROVE, Action.REJECT))
        field = self.fields["meaning"]
        offered = [(name, words) for name, words in MEANING_NAMES.items() if name in {*approving, *refusing}]
        field.choices = [("", _("As is usual for the decision")), *offered]  # type: ignore[attr-defined]
        field.help_text = _(
            "To approve: %(approving)s. To send back or to reject: %(refusing)s. The first is the usual one. It is"
            " shown beside your name wherever this decision is shown."
        ) % {"approving": _listed(approving), "refusing": _listed(refusing)}

    def _fitting(self, decision: Action, stage: int) -> tuple[str, ...]:
        return meanings(decision, last_stage=stage + 1 >= self._stages)

    @property
    def action(self) -> Action:
        """What was decided."""
        return Action(self.cleaned_data["decision"])

    def signature(self) -> Signature:
        """What the person puts under it."""
        given = self.cleaned_data
        return Signature(
            meaning=given["meaning"],
            stage=given["stage"],
            bound_digest=given["bound_digest"],
            on_behalf_of=given["on_behalf_of"] or None,
        )

    def carried(self) -> list[tuple[str, str]]:
        """What the second step sends again."""
        return [(name, str(self.cleaned_data[name])) for name in self.fields]


def _listed(names: Sequence[str]) -> str:
    return _(" or ").join(str(MEANING_NAMES[name]) for name in names)
