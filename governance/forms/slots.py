"""Forms about slots: a new one, what it is to serve, and the question about a moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from governance.engines.registry import CORE
from governance.forms.proof import ProofForm
from governance.forms.recorded import no_personal_data
from governance.services.break_glass import SHORTEST_REASON
from governance.services.create_slot import NAME

LONGEST = 2000


class SlotForm(forms.Form):
    """A new slot."""

    title = forms.CharField(label=gettext_lazy("Title"), max_length=100)
    name = forms.RegexField(
        rf"^{NAME.pattern}$",
        label=gettext_lazy("Name in addresses"),
        help_text=gettext_lazy("3 to 40 small letters, digits and dashes. It cannot be changed later."),
    )
    base = forms.ChoiceField(label=gettext_lazy("Base model"))
    engine = forms.ChoiceField(label=gettext_lazy("Serving engine"))
    policy = forms.ChoiceField(
        label=gettext_lazy("Approval policy"),
        help_text=gettext_lazy(
            "Under which adapters are approved for this slot. It cannot be changed later; the policy's rules can, by a "
            "new version."
        ),
    )

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  Django's
        bases: Sequence[tuple[str, str]],
        policies: Sequence[tuple[str, str]],
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policy"].choices = list(policies)  # type: ignore[attr-defined]
        self.fields["engine"].choices = [(one, one) for one in (CORE, *settings.ENGINES)]  # type: ignore[attr-defined]
        if bases:
            self.fields["base"].choices = [(digest, f"{name} ({digest[:12]})") for digest, name in bases]  # type: ignore[attr-defined]
        else:
            hint = _("The digest of the base model, 64 hexadecimal digits.")
            self.fields["base"] = forms.RegexField(r"^[0-9a-f]{64}$", label=_("Base model"), help_text=hint)


class PlacementForm(forms.Form):
    """Why a slot is to serve something else."""

    reason = forms.CharField(
        validators=[no_personal_data],
        label=gettext_lazy("Reason"),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class EmergencyForm(ProofForm):
    """As above, in an emergency: described at length, and signed."""

    reason = forms.CharField(
        validators=[no_personal_data],
        label=gettext_lazy("What the emergency is, and why it cannot wait for an approval"),
        min_length=SHORTEST_REASON,
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class MomentForm(forms.Form):
    """Which slot, and when: an ISO time with its zone, or a time in the person's own zone."""

    slot = forms.ChoiceField(label=gettext_lazy("Slot"))
    time = forms.CharField(
        label=gettext_lazy("Time"),
        max_length=40,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
        help_text=gettext_lazy("In your time zone."),
    )

    def __init__(self, *args: Any, slots: Sequence[tuple[str, str]], **kwargs: Any) -> None:  # noqa: ANN401  Django's
        super().__init__(*args, **kwargs)
        self.fields["slot"].choices = list(slots)  # type: ignore[attr-defined]

    def clean_time(self) -> datetime:
        """The moment, with its zone."""
        try:
            moment = datetime.fromisoformat(self.cleaned_data["time"].strip())
            return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
        except (ValueError, OverflowError) as error:
            raise ValidationError(_("Enter a date and a time, such as 2026-11-24T09:00.")) from error
