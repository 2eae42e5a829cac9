"""What roles, actions, states and meanings are called on the pages."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

ROLE_NAMES: dict[str, Promise] = {
    "engineer": _("Engineer"),
    "reviewer": _("Reviewer"),
    "manager": _("Manager"),
    "admin": _("Administrator"),
    "auditor": _("Auditor"),
}
ACTION_NAMES: dict[str, Promise] = {
    "submit_context": _("submit a context"),
    "hold_context": _("put a context under legal hold"),
    "release_context": _("end a legal hold"),
    "erase_context": _("erase a context"),
    "generate": _("generate an adapter"),
    "extend": _("add to an adapter"),
    "erase": _("erase a document from an adapter"),
    "evaluate": _("evaluate an adapter"),
    "request": _("request an approval"),
    "comment": _("comment on a request"),
    "withdraw": _("withdraw a request"),
    "approve": _("approve"),
    "approve_with_conditions": _("approve with conditions"),
    "send_back": _("send back"),
    "reject": _("reject"),
    "delegate": _("delegate approvals"),
    "end_delegation": _("end a delegation"),
    "create_slot": _("create a slot"),
    "deploy": _("deploy"),
    "roll_back": _("roll back"),
    "kill_switch": _("stop with the kill switch"),
    "break_glass": _("break glass"),
    "retire": _("retire an adapter"),
    "create_person": _("add a person"),
    "grant_role": _("grant a role"),
    "revoke_role": _("revoke a role"),
    "issue_token": _("issue a service token"),
    "revoke_token": _("revoke a service token"),
    "set_policy": _("set an approval policy"),
    "read": _("read"),
}
STATE_NAMES: dict[str, Promise] = {
    "generated": pgettext_lazy("state", "Generated"),
    "evaluated": pgettext_lazy("state", "Evaluated"),
    "requested": pgettext_lazy("state", "Requested"),
    "in_review": pgettext_lazy("state", "In review"),
    "approved": pgettext_lazy("state", "Approved"),
    "conditionally_approved": pgettext_lazy("state", "Approved with conditions"),
    "sent_back": pgettext_lazy("state", "Sent back"),
    "rejected": pgettext_lazy("state", "Rejected"),
    "withdrawn": pgettext_lazy("state", "Withdrawn"),
    "expired": pgettext_lazy("state", "Expired"),
    "voided": pgettext_lazy("state", "Voided"),
    "deployed": pgettext_lazy("state", "Deployed"),
    "superseded": pgettext_lazy("state", "Superseded"),
    "rolled_back": pgettext_lazy("state", "Rolled back"),
    "retired": pgettext_lazy("state", "Retired"),
}
MEANING_NAMES: dict[str, Promise] = {
    "prepared": pgettext_lazy("meaning of a signature", "Prepared"),
    "checked": pgettext_lazy("meaning of a signature", "Checked"),
    "approved": pgettext_lazy("meaning of a signature", "Approved"),
    "decided": pgettext_lazy("meaning of a signature", "Decided"),
}
