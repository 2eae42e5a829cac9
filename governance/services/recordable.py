"""What people write into the ledger stays for ever: personal data that can be recognised are kept out of it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from adapters_core.errors import PersonalDataError
from governance.policy.personal_data import counts, scan

WRITTEN = (
    "title",
    "name",
    "comment",
    "conditions",
    "required",
    "reason",
    "legal_basis",
    "detail",
    "measures",
)
"""Fields of entries that hold what a person wrote."""
EXEMPT = frozenset({"person:created", "denied"})
"""Who somebody is, is what the first records; the second repeats our own words."""


def check_entry(event: str, data: Mapping[str, Any]) -> None:
    """Check what an entry would hold. Raises as :func:`check_text`."""
    if event not in EXEMPT:
        check_text(*(data[name] for name in WRITTEN if isinstance(data.get(name), str)))


def check_text(*texts: str) -> None:
    """Refuse a text in which personal data are recognised.

    Raises:
        PersonalDataError: a mail address, telephone number, individual number or card number is in it.
    """
    for text in texts:
        found = counts(scan(text))
        if any(found.values()):
            raise PersonalDataError(_("what is recorded stays for ever: take personal data out of it"), found=found)
