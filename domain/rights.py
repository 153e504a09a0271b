"""
Rights: the one place that says who may do what, whatever door they come through.

The matrix of the requirements (5.3) is `RIGHTS`: for each command and question the lowest role of a
person, the scopes of a key, and whether a platform super admin may. Nobody else may, with two
exceptions that the table marks: who is invited may accept, and everybody may care for their own
account on the platform.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts.access import OPERATOR, ROLES, AcceptInvitation, Role, Scope, Scopes, id_of, kind_of
from contracts.account import PLATFORM
from contracts.commands import NOUN_AND_VERB, AnyCommand
from domain import access, account, deployment
from domain.refusal import Refusal
from domain.refusals import CALLER_NOT_ALLOWED, CALLER_UNKNOWN
from domain.state import Envelope, State

QUESTION: Final = "show"


class Right(NamedTuple):
    """
    *role* and every higher one; keys with one of *scopes*; *admin*: platform super admins.

    *invited*: who shows the secret of an invitation. *own*: on the platform, the person that the
    command is about. *visitor*: who was admitted to a deployment, as far as that admission goes.
    """

    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    admin: bool = False
    invited: bool = False
    own: bool = False
    visitor: bool = False


_CALLS: Final = frozenset[Scope](["calls", "agent"])
_READS: Final = frozenset[Scope](["read"])
_INGESTS: Final = frozenset[Scope](["ingest"])
_SEES: Final = frozenset[Scope](["read", "calls", "agent"])
_AGENTS: Final = frozenset[Scope](["agent"])

# (noun, verb), as in the subject; the verb of a question without parameters is `show`.
RIGHTS: Final[dict[tuple[str, str], Right]] = {
    ("tenant", "provision"): Right(admin=True),
    ("tenant", "suspend"): Right("owner", admin=True),
    ("tenant", "resume"): Right("owner", admin=True),
    ("tenant", "show"): Right("viewer", _SEES, admin=True),
    ("tenant", "erase"): Right(admin=True),
    ("policy", "set"): Right("owner"),
    ("policy", "show"): Right("viewer", _READS, admin=True),
    # What a call costs is the platform's word: an owner could make calls free otherwise.
    ("price_book", "set"): Right(admin=True),
    ("price_book", "show"): Right("viewer", _READS, admin=True),
    ("budget", "authorize"): Right(scopes=_CALLS, visitor=True),
    ("budget", "settle"): Right(scopes=_CALLS, visitor=True),
    ("budget", "extend"): Right(scopes=_CALLS, visitor=True),
    ("budget", "release"): Right(scopes=_CALLS, visitor=True),
    ("budget", "find"): Right("viewer", _SEES, admin=True),
    ("budget", "top_up"): Right("owner"),
    ("budget", "show"): Right("viewer", _SEES, admin=True),
    ("rate", "show"): Right("viewer", _SEES, admin=True),
    # A super admin invites the first Owner; `membership` refuses them everybody else.
    ("access", "invite"): Right("owner", admin=True),
    ("access", "withdraw"): Right("owner", admin=True),
    ("access", "accept"): Right(invited=True),
    ("access", "change_role"): Right("owner"),
    ("access", "remove_member"): Right("owner"),
    ("access", "issue_key"): Right("owner"),
    ("access", "rotate_key"): Right("owner"),
    ("access", "revoke_key"): Right("owner"),
    ("access", "break_glass"): Right(admin=True),
    # Our doors say it with the credentials of the deployment; nobody else could know.
    ("access", "report_denial"): Right(),
    ("access", "show"): Right("owner", admin=True),
    # The first admin is the word of whoever runs the deployment.
    ("account", "found"): Right(),
    ("account", "register"): Right(admin=True, own=True),
    ("account", "set_password"): Right(own=True),
    # The door's, which has just compared the password.
    ("account", "rehash_password"): Right(),
    ("account", "issue_link"): Right(admin=True),
    ("account", "open_session"): Right(own=True),
    ("account", "close_sessions"): Right(admin=True, own=True),
    ("account", "sign_in_failed"): Right(own=True),
    ("account", "grant_admin"): Right(admin=True),
    ("account", "withdraw_admin"): Right(admin=True),
    ("account", "lock"): Right(admin=True),
    ("account", "unlock"): Right(admin=True),
    ("account", "show"): Right(admin=True),
    # The matrix has one column for prompts, "Edit Prompts?", and an Editor may; what is an
    # Approver's has a column of its own. So an Editor also activates and rolls back: on match
    # night a bad prompt must not stay live until an Approver is found. Each event says who did it.
    # No admin: what a twin is told is its own content, which the platform does not read.
    ("prompt", "save"): Right("editor"),
    ("prompt", "activate"): Right("editor"),
    ("prompt", "roll_back"): Right("editor"),
    ("prompt", "show"): Right("viewer", _READS),
    ("prompt", "preview"): Right("viewer", _READS | _AGENTS),
    ("topics", "set"): Right("editor"),
    ("topics", "roll_back"): Right("editor"),
    ("topics", "show"): Right("viewer", _READS),
    ("topics", "check"): Right("viewer", _CALLS),
    ("bundle", "show"): Right("viewer", _AGENTS),
    ("twin", "set_identity"): Right("editor"),
    ("twin", "refine"): Right("editor"),
    # In force at once, so it takes somebody who may approve; samples cost money.
    ("twin", "set_purpose"): Right("approver"),
    ("twin", "begin_calibration"): Right("approver"),
    ("twin", "record_sample"): Right("editor", _CALLS),
    ("twin", "sign_off"): Right("owner"),
    ("twin", "retire"): Right("owner", admin=True),
    ("twin", "show"): Right("viewer", _SEES),
    ("deployment", "create"): Right("editor"),
    ("deployment", "change"): Right("editor"),
    ("deployment", "set_disclosure"): Right("editor"),
    ("deployment", "enable"): Right("editor"),
    # The platform can stop a page that misuses a twin, but not start one.
    ("deployment", "disable"): Right("editor", admin=True),
    # People mint to look at a deployment as a visitor would.
    ("deployment", "mint"): Right("editor", frozenset[Scope](["mint"])),
    ("deployment", "show"): Right("viewer", _SEES | {"mint"}, admin=True),
    ("knowledge", "add"): Right("editor"),
    ("knowledge", "submit"): Right("editor"),
    ("knowledge", "begin_ingestion"): Right(scopes=_INGESTS),
    ("knowledge", "report_progress"): Right(scopes=_INGESTS),
    ("knowledge", "report_ingested"): Right(scopes=_INGESTS),
    ("knowledge", "report_failed"): Right(scopes=_INGESTS),
    ("knowledge", "approve"): Right("approver"),
    ("knowledge", "reject"): Right("approver"),
    # Of what was never approved; `domain.curation` asks for an Approver for the rest.
    ("knowledge", "retire"): Right("editor"),
    # No admin: titles and summaries are what the twin knows.
    ("knowledge", "show"): Right("viewer", _SEES | _INGESTS),
    # What it would say to anybody who asks it: approved, and never a draft.
    ("knowledge", "search"): Right("viewer", _SEES, visitor=True),
    # The whole text of a draft, like a prompt that is not live yet.
    ("knowledge", "review"): Right("viewer", _READS),
    ("knowledge", "upload"): Right("editor"),
    ("secret", "put"): Right("owner"),
    ("secret", "rotate"): Right("owner"),
    ("secret", "revoke"): Right("owner"),
    # No person: a value goes to who makes the call, and only while the call is open.
    ("secret", "open"): Right(scopes=_CALLS),
    # Of our own HTTP door, which has found out by then that whoever asks may put one.
    ("secret", "compare"): Right(),
    ("secret", "show"): Right("viewer", _READS, admin=True),
    # A visitor runs its own session; `conversation` refuses it those of others.
    ("session", "open"): Right(scopes=_CALLS, visitor=True),
    ("session", "show_disclosure"): Right(scopes=_CALLS, visitor=True),
    ("session", "beat"): Right(scopes=_CALLS, visitor=True),
    ("session", "step"): Right(scopes=_CALLS, visitor=True),
    # Not of a visitor: what it was told is written down by whoever told it.
    ("session", "cite"): Right(scopes=_CALLS),
    ("session", "close"): Right(scopes=_CALLS, visitor=True),
    # It stops what costs money or harms, and starts nothing; like disabling, also the platform's.
    ("session", "kill"): Right("approver", admin=True),
    ("session", "kill_all"): Right("approver", admin=True),
    ("session", "show"): Right("viewer", _SEES, admin=True),
    ("session", "find"): Right("viewer", _SEES, admin=True, visitor=True),
    ("data_key", "rotate"): Right("owner", admin=True),
    ("data_key", "rewrap"): Right(admin=True),
}


# -- the table, for doors that answer questions themselves -----------------------------


def role_may(role: Role, noun: str, verb: str = QUESTION) -> bool:
    """Whether a member with this role may."""
    least = RIGHTS[noun, verb].role
    return least is not None and ROLES.index(role) >= ROLES.index(least)


def scopes_may(scopes: frozenset[Scope] | Scopes, noun: str, verb: str = QUESTION) -> bool:
    """Whether a key with these scopes may."""
    return not RIGHTS[noun, verb].scopes.isdisjoint(scopes)


def admin_may(noun: str, verb: str = QUESTION) -> bool:
    """Whether a platform super admin may without breaking the glass."""
    return RIGHTS[noun, verb].admin


# -- one caller and one twin -----------------------------------------------------------


def why_not_asked(state: State, command: AnyCommand, envelope: Envelope) -> Refusal | None:
    """
    Say why the caller may not send this command, or None when they may.

    CALLER_UNKNOWN is for those who must not even learn whether there is such a twin.
    """
    principal = envelope.actor
    if principal == OPERATOR:
        return None
    noun, verb = NOUN_AND_VERB[type(command)]
    if state.name == PLATFORM:
        about = getattr(command, "person", "") if RIGHTS[noun, verb].own else ""
        return _why_not_on_platform(state.account, principal, noun, verb, about)
    if type(command) is AcceptInvitation and _accepts(state.access, command, principal):
        return None
    return _why_not(state, principal, noun, verb, envelope.now_us)


def why_not_shown(
    state: State, principal: str, noun: str, verb: str, now_us: int
) -> Refusal | None:
    """Say why the caller may not ask this question, or None when they may. See `why_not_asked`."""
    if principal == OPERATOR:
        return None
    if state.name == PLATFORM:
        return _why_not_on_platform(state.account, principal, noun, verb, "")
    return _why_not(state, principal, noun, verb, now_us)


def _why_not(state: State, principal: str, noun: str, verb: str, now_us: int) -> Refusal | None:
    who = id_of(principal)
    match kind_of(principal):
        case "admin" if who:
            if admin_may(noun, verb):
                return None
            # A broken glass lets them see what an Owner sees; it lets nobody change anything.
            sees = verb == QUESTION and role_may("owner", noun)
            is_open = sees and access.has_open_glass(state.access, who, now_us)
            return None if is_open else CALLER_NOT_ALLOWED
        case "person":
            role = access.role_of(state.access, who)
            if role is None:
                return CALLER_UNKNOWN
            return None if role_may(role, noun, verb) else CALLER_NOT_ALLOWED
        case "key":
            key = access.key_at(state.access, who, now_us)
            if key is None:
                return CALLER_UNKNOWN
            return None if scopes_may(key.scopes, noun, verb) else CALLER_NOT_ALLOWED
        case "visitor":
            gone = deployment.why_not_visiting(state.deployments, principal, now_us)
            return gone or (None if RIGHTS[noun, verb].visitor else CALLER_NOT_ALLOWED)
        case _:
            return CALLER_UNKNOWN


def _accepts(state: access.State, command: AcceptInvitation, principal: str) -> bool:
    """Whether somebody accepts for themselves what they know the secret of, or did before."""
    if principal != f"person_{command.person}":
        return False
    is_member = access.role_of(state, command.person) is not None
    return is_member or bool(access.invited_with(state, command.invitation_id, command.secret))


def _why_not_on_platform(
    state: account.State, principal: str, noun: str, verb: str, about: str
) -> Refusal | None:
    who = id_of(principal)
    match kind_of(principal):
        case "admin" if account.is_admin(state, who):
            return None if admin_may(noun, verb) else CALLER_NOT_ALLOWED
        case "person":
            is_own = bool(about) and about == who
            if who not in state.accounts:
                return None if is_own and verb == "register" else CALLER_UNKNOWN
            return None if is_own else CALLER_NOT_ALLOWED
        case _:
            return CALLER_UNKNOWN
