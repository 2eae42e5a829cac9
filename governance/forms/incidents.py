"""The review of an incident."""

from django import forms
from django.utils.translation import gettext_lazy as _

from governance.forms.proof import ProofForm
from governance.forms.recorded import no_personal_data
from governance.policy.words import VERDICT_NAMES
from governance.services.close_incident import SHORTEST


class CloseIncidentForm(ProofForm):
    """What was found, whether it was justified, what follows; signed."""

    verdict = forms.ChoiceField(label=_("Verdict"), choices=list(VERDICT_NAMES.items()), widget=forms.RadioSelect)
    found = forms.CharField(
        validators=[no_personal_data],
        label=_("What the review found"),
        min_length=SHORTEST,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("It is recorded and signed. Put no personal data into it."),
    )
    measures = forms.CharField(
        validators=[no_personal_data],
        label=_("What is done so that it does not happen again"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
