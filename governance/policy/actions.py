"""Everything that can be done, and who may ever do it."""

from enum import StrEnum


class Action(StrEnum):
    """One thing that can be done; its name is what the ledger records when it is denied."""

    SUBMIT_CONTEXT = "submit_context"
    HOLD_CONTEXT = "hold_context"
    RELEASE_CONTEXT = "release_context"
    ERASE_CONTEXT = "erase_context"
    GENERATE = "generate"
    EXTEND = "extend"
    ERASE = "erase"
    EVALUATE = "evaluate"
    REQUEST = "request"
    COMMENT = "comment"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    APPROVE_WITH_CONDITIONS = "approve_with_conditions"
    SEND_BACK = "send_back"
    REJECT = "reject"
    DELEGATE = "delegate"
    END_DELEGATION = "end_delegation"
    CREATE_SLOT = "create_slot"
    DEPLOY = "deploy"
    ROLL_BACK = "roll_back"
    KILL_SWITCH = "kill_switch"
    BREAK_GLASS = "break_glass"
    CLOSE_INCIDENT = "close_incident"
    RETIRE = "retire"
    CREATE_PERSON = "create_person"
    GRANT_ROLE = "grant_role"
    REVOKE_ROLE = "revoke_role"
    ISSUE_TOKEN = "issue_token"  # noqa: S105  the name of an action
    REVOKE_TOKEN = "revoke_token"  # noqa: S105  the name of an action
    SET_POLICY = "set_policy"
    CANCEL_JOB = "cancel_job"
    RETRY_JOB = "retry_job"
    TRY_OUT = "try_out"
    READ = "read"


DECISIONS = frozenset({Action.APPROVE, Action.APPROVE_WITH_CONDITIONS, Action.SEND_BACK, Action.REJECT})
"""What a stage of an approval can end in; each is signed."""
SIGNED = DECISIONS | {
    Action.BREAK_GLASS,
    Action.GRANT_ROLE,
    Action.SET_POLICY,
    Action.ERASE_CONTEXT,
    Action.CLOSE_INCIDENT,
}
"""What asks for a fresh proof of who one is."""
ANY_ROLE = frozenset({"engineer", "reviewer", "manager", "admin", "auditor"})

MAY: dict[Action, frozenset[str]] = {
    Action.SUBMIT_CONTEXT: frozenset({"engineer"}),
    Action.HOLD_CONTEXT: frozenset({"admin", "reviewer"}),
    Action.RELEASE_CONTEXT: frozenset({"admin", "reviewer"}),
    Action.ERASE_CONTEXT: frozenset({"admin", "engineer"}),
    Action.GENERATE: frozenset({"engineer"}),
    Action.EXTEND: frozenset({"engineer"}),
    Action.ERASE: frozenset({"engineer"}),
    Action.EVALUATE: frozenset({"engineer"}),
    Action.REQUEST: frozenset({"engineer"}),
    Action.COMMENT: frozenset({"engineer", "reviewer", "manager", "admin"}),
    Action.WITHDRAW: frozenset({"engineer"}),
    # Which of these decides on a stage is said by the approval policy.
    **dict.fromkeys(DECISIONS, frozenset({"reviewer", "manager"})),
    Action.DELEGATE: frozenset({"reviewer", "manager"}),
    Action.END_DELEGATION: frozenset({"reviewer", "manager", "admin"}),
    Action.CREATE_SLOT: frozenset({"admin"}),
    Action.DEPLOY: frozenset({"admin"}),
    Action.ROLL_BACK: frozenset({"admin"}),
    Action.KILL_SWITCH: frozenset({"admin"}),
    Action.BREAK_GLASS: frozenset({"admin"}),
    # Who has broken the glass never reviews it themselves.
    Action.CLOSE_INCIDENT: frozenset({"reviewer", "manager", "admin"}),
    Action.RETIRE: frozenset({"admin", "engineer"}),
    Action.CREATE_PERSON: frozenset({"admin"}),
    Action.GRANT_ROLE: frozenset({"admin"}),
    Action.REVOKE_ROLE: frozenset({"admin"}),
    Action.ISSUE_TOKEN: frozenset({"admin"}),
    Action.REVOKE_TOKEN: frozenset({"admin"}),
    Action.SET_POLICY: frozenset({"admin"}),
    Action.CANCEL_JOB: frozenset({"admin", "engineer"}),
    Action.RETRY_JOB: frozenset({"admin", "engineer"}),
    # Asking an adapter changes nothing, but it is an act, and auditors only read.
    Action.TRY_OUT: ANY_ROLE - {"auditor"},
    Action.READ: ANY_ROLE,
}
"""The roles of which one is needed."""

NEVER: dict[str, frozenset[Action]] = {
    "auditor": frozenset(Action) - {Action.READ},
    "admin": DECISIONS | {Action.DELEGATE},
    "manager": frozenset({Action.DEPLOY, Action.BREAK_GLASS}),
}
"""What a role takes away, whatever other roles the same person holds."""

SCOPES_FOR: dict[Action, frozenset[str]] = {
    Action.SUBMIT_CONTEXT: frozenset({"generate"}),
    Action.GENERATE: frozenset({"generate"}),
    Action.EXTEND: frozenset({"generate"}),
    Action.ERASE: frozenset({"generate"}),
    Action.EVALUATE: frozenset({"evaluate"}),
    # Of its own jobs only: the rules on jobs see to it.
    Action.CANCEL_JOB: frozenset({"generate", "evaluate"}),
    Action.RETRY_JOB: frozenset({"generate", "evaluate"}),
    Action.READ: frozenset({"read"}),
}
"""The scopes of a service token of which one is needed; what is missing here no token ever may."""

CONFLICTS: tuple[frozenset[str], ...] = (
    *(frozenset({"auditor", role}) for role in sorted(ANY_ROLE - {"auditor"})),
    frozenset({"admin", "reviewer"}),
    frozenset({"admin", "manager"}),
)
"""Roles that one person may not hold together: one would take away what the other is for."""
