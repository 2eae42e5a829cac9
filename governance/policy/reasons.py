"""Why something is not allowed: a code for machines and the ledger, a sentence for the person."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REASONS: dict[str, Promise] = {
    "role_missing": _("Your roles do not include this. An administrator grants roles."),
    "role_forbids": _("One of your roles rules this out, whatever other roles you hold."),
    "first_password": _(
        "Set a password of your own on the pages first: somebody else has seen the one that you were given."
    ),
    "token_never": _("A service token may generate, evaluate and read; it never decides, deploys or administers."),
    "scope_missing": _("This token was not issued for this. Issue one with the scope that is needed."),
    "system_never": _("This system does not act on its own here: a person must."),
    "own_request": _("You requested this approval: somebody else must decide on it."),
    "own_adapter": _("You generated this adapter or submitted what it was made from: somebody else must decide on it."),
    "already_decided": _("You have already decided on this request. A joint decision needs different people."),
    "principal_involved": _(
        "The person you act for took part in making this adapter, requested it, or has decided already."
    ),
    "principal_role": _("The person you act for does not hold the role that this stage needs."),
    "delegation_over": _("The delegation has ended or expired."),
    "wrong_stage": _("This stage is decided by another role."),
    "cool_down": _("You received this role too recently: it does not count for approvals yet."),
    "confirm_identity": _("Please confirm who you are: a signature needs a fresh proof."),
    "not_open": _("This request is no longer open."),
    "request_expired": _("This request has expired: it must be made again."),
    "changed_since": _(
        "The adapter, its evaluation or the policy has changed since: the approval does not hold any more."
    ),
    "gate_binding": _(
        "A threshold is not met that must be reached under this policy, with conditions too. Send back or reject."
    ),
    "gate_failed": _("A required threshold is not met. Approve with conditions, send back, or reject."),
    "not_requester": _("Only the person who made the request can withdraw it."),
    "request_open": _("A request for this adapter is open already."),
    "evaluation_missing": _("The policy demands evaluations that have not been made yet."),
    "adapter_state": _("The adapter is not in a state in which this can be done."),
    "context_erased": _("A context of this adapter was erased: the adapter must not be used any more."),
    "context_held": _("The context is under legal hold and must be kept."),
    "not_held": _("The context is not under legal hold."),
    "already_held": _("The context is under legal hold already."),
    "not_owner": _("Only the person who submitted it, or an administrator, may do this."),
    "not_approved": _("This adapter is not approved for this slot."),
    "approval_expired": _("The approval has expired: a new one must be requested."),
    "wrong_base": _("The adapter belongs to another base model than the slot serves."),
    "artifact_missing": _("The files of the adapter are not here, or differ from their digests."),
    "norm_outlier": _(
        "The adapter changes the model far more than the approved ones do: it is not loaded without an approval."
    ),
    "stale_page": _("The slot has changed since you opened the page. Look at what it serves now, and decide again."),
    "in_progress": _("A deployment to this slot is under way. Wait for its result."),
    "already_serving": _("The slot serves this already."),
    "never_served": _("The slot has never served this adapter: deploy it, rather than rolling back to it."),
    "still_serving": _("A slot serves this adapter: roll back first."),
    "own_emergency": _("Break glass is not for an adapter of your own: somebody else must load it."),
    "incident_closed": _("This incident has been closed already."),
    "own_incident": _("You raised this incident: somebody else must review it."),
    "incident_reviewer": _("An emergency is reviewed by a reviewer or a manager."),
    "own_role": _("Nobody changes their own roles."),
    "unknown_person": _("The ledger knows no such person."),
    "unknown_role": _("There is no such role."),
    "role_conflict": _("This role may not be held together with one that the person holds."),
    "role_held": _("The person holds this role already."),
    "role_not_held": _("The person does not hold this role."),
    "last_admin": _("This is the last administrator: appoint another first."),
    "self_delegation": _("One cannot delegate to oneself."),
    "delegation_time": _("A delegation ends in the future, within 90 days."),
    "not_delegator": _("Only the person who delegated, or an administrator, may end this."),
    "job_ended": _("The job has ended: there is nothing to cancel."),
    "job_not_failed": _("Only a job that failed or was cancelled can be tried again."),
    "unknown_scope": _("There is no such scope."),
    "token_revoked": _("This token is revoked already."),
    "illegal_transition": _("This cannot be done in the state in which it is now."),
    "stale": _("It has changed since you looked at it. Look at it again, and decide again."),
}
