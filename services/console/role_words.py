"""
What each role may, in words: the table of `domain.rights`, read for people.

Which role may what is not written here; only how it is said. A right that people have and that has
no words is a fault, which a test finds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts.access import ROLES
from domain import rights
from domain.rights import RIGHTS

# In the order of the table of rights; what nobody does on a page is not here.
WORDS: Final[dict[tuple[str, str], str]] = {
    ("tenant", "provision"): "Make a new twin",
    ("tenant", "suspend"): "Suspend the twin",
    ("tenant", "resume"): "Wake the twin",
    ("tenant", "show"): "See the state of the twin",
    ("tenant", "erase"): "Erase the twin",
    ("policy", "set"): "Set limits and policy",
    ("policy", "show"): "See limits and policy",
    ("price_book", "set"): "Set prices",
    ("price_book", "show"): "See prices",
    ("budget", "find"): "Look up a call",
    ("budget", "top_up"): "Top up the budget",
    ("budget", "show"): "See what is spent",
    ("rate", "show"): "See the rate of calls",
    ("access", "invite"): "Invite people",
    ("access", "withdraw"): "Withdraw invitations",
    ("access", "change_role"): "Change the roles of members",
    ("access", "remove_member"): "Remove members",
    ("access", "issue_key"): "Issue API keys",
    ("access", "rotate_key"): "Rotate API keys",
    ("access", "revoke_key"): "Revoke API keys",
    ("access", "break_glass"): "Break the glass: see for a while what an Owner sees",
    ("access", "show"): "See people and keys",
    ("account", "register"): "Make accounts",
    ("account", "issue_link"): "Issue one-time links for signing in",
    ("account", "close_sessions"): "Sign somebody out everywhere",
    ("account", "grant_admin"): "Make somebody a platform super admin",
    ("account", "withdraw_admin"): "Take the rights of a platform super admin",
    ("account", "lock"): "Lock accounts",
    ("account", "unlock"): "Unlock accounts",
    ("account", "show"): "See accounts",
    ("prompt", "save"): "Write prompts",
    ("prompt", "activate"): "Make a prompt live",
    ("prompt", "roll_back"): "Take a prompt back",
    ("prompt", "show"): "Read prompts",
    ("prompt", "preview"): "Preview prompts",
    ("topics", "set"): "Set prohibited topics",
    ("topics", "roll_back"): "Take prohibited topics back",
    ("topics", "show"): "See prohibited topics",
    ("topics", "check"): "Try prohibited topics",
    ("bundle", "show"): "See what an agent is given",
    ("twin", "set_identity"): "Write the identity of the twin",
    ("twin", "refine"): "Refine voice and face",
    ("twin", "set_purpose"): "Set the purpose of the twin",
    ("twin", "begin_calibration"): "Begin a calibration",
    ("twin", "record_sample"): "Record samples",
    ("twin", "sign_off"): "Sign off the mirror test",
    ("twin", "retire"): "Retire the twin",
    ("twin", "show"): "See who the twin is",
    ("deployment", "create"): "Make deployments",
    ("deployment", "change"): "Change deployments",
    ("deployment", "set_disclosure"): "Write disclosures",
    ("deployment", "enable"): "Switch deployments on",
    ("deployment", "disable"): "Switch deployments off",
    ("deployment", "mint"): "Visit a deployment to try it",
    ("deployment", "show"): "See deployments",
    ("knowledge", "add"): "Add knowledge",
    ("knowledge", "submit"): "Put knowledge up for review",
    ("knowledge", "approve"): "Approve knowledge",
    ("knowledge", "reject"): "Reject knowledge",
    ("knowledge", "retire"): "Retire knowledge that was never approved",
    ("knowledge", "show"): "See knowledge",
    ("knowledge", "search"): "Ask the approved knowledge",
    ("knowledge", "review"): "Read drafts of knowledge",
    ("knowledge", "upload"): "Upload documents",
    ("secret", "put"): "Put secrets into the vault",
    ("secret", "rotate"): "Rotate secrets",
    ("secret", "revoke"): "Revoke secrets",
    ("secret", "show"): "See the names of secrets",
    ("session", "kill"): "End a session",
    ("session", "kill_all"): "End every session",
    ("session", "show"): "See sessions",
    ("session", "find"): "Look up a session",
    ("data_key", "rotate"): "Rotate the data key",
    ("data_key", "rewrap"): "Seal data keys anew",
}


class Said(NamedTuple):
    """One right: how it is said, and whether each role, and a super admin, has it."""

    words: str
    roles: dict[str, bool]
    admin: bool


def matrix() -> list[Said]:
    """Return every right that people have."""
    return [
        Said(
            WORDS[noun, verb],
            {role: rights.role_may(role, noun, verb) for role in ROLES},
            right.admin,
        )
        for (noun, verb), right in RIGHTS.items()
        if right.role or right.admin
    ]
