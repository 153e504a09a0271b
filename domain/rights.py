"""
Rights: the one place that says who may do what, whatever door they come through.

The matrix of the requirements (5.3) is `RIGHTS`: for each command and question the lowest role of a
person, the scopes of a key, and whether a platform super admin may. Nobody else may.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts.access import OPERATOR, ROLES, Role, Scope, id_of, kind_of
from domain import access
from domain.refusals import CALLER_NOT_ALLOWED, CALLER_UNKNOWN, Refusal


class Right(NamedTuple):
    """*role* and every higher one; keys with one of *scopes*; *admin*: platform super admins."""

    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    admin: bool = False


_CALLS: Final = frozenset[Scope](["calls", "agent"])
_READS: Final = frozenset[Scope](["read"])
_SEES: Final = frozenset[Scope](["read", "calls", "agent"])

# (noun, verb), as in the subject; the verb of a question is `show`.
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
    ("budget", "authorize"): Right(scopes=_CALLS),
    ("budget", "settle"): Right(scopes=_CALLS),
    ("budget", "extend"): Right(scopes=_CALLS),
    ("budget", "release"): Right(scopes=_CALLS),
    ("budget", "top_up"): Right("owner"),
    ("budget", "show"): Right("viewer", _SEES, admin=True),
    ("rate", "show"): Right("viewer", _SEES, admin=True),
    ("secret", "put"): Right("owner"),
    ("secret", "rotate"): Right("owner"),
    ("secret", "revoke"): Right("owner"),
    # No person: a value goes to who makes the call, and only while the call is open.
    ("secret", "open"): Right(scopes=_CALLS),
    ("secret", "show"): Right("viewer", _READS, admin=True),
    ("data_key", "rotate"): Right("owner", admin=True),
    ("data_key", "rewrap"): Right(admin=True),
}


def why_not(
    state: access.State, principal: str, noun: str, verb: str, now_us: int
) -> Refusal | None:
    """
    Say why *principal* may not do this, or None when it may.

    CALLER_UNKNOWN is for those who must not even learn whether there is such a twin.
    """
    if principal == OPERATOR:
        return None
    right = RIGHTS[(noun, verb)]
    match kind_of(principal):
        case "admin":
            if right.admin or state.opened.get(id_of(principal), 0) > now_us:
                return None
            return CALLER_NOT_ALLOWED
        case "person":
            role = access.role_of(state, id_of(principal))
            if role is None:
                return CALLER_UNKNOWN
            enough = right.role is not None and ROLES.index(role) >= ROLES.index(right.role)
            return None if enough else CALLER_NOT_ALLOWED
        case "key":
            key = access.key_at(state, id_of(principal), now_us)
            if key is None:
                return CALLER_UNKNOWN
            return None if right.scopes.intersection(key.scopes) else CALLER_NOT_ALLOWED
        case _:
            return CALLER_UNKNOWN
