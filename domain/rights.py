"""
Rights: the one place that says who may do what, whatever door they come through.

The matrix of the requirements (5.3) is `RIGHTS`: for each command and question the lowest role of a
person, the scopes of a key, and whether a platform super admin may. Nobody else may.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts.access import OPERATOR, ROLES, Role, Scope, id_of, kind_of
from domain import access, deployment
from domain.refusals import CALLER_NOT_ALLOWED, CALLER_UNKNOWN, Refusal


class Right(NamedTuple):
    """
    *role* and every higher one; keys with one of *scopes*; *admin*: platform super admins.

    *visitor*: who was admitted to a deployment, as far as that admission goes.
    """

    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    admin: bool = False
    visitor: bool = False


_CALLS: Final = frozenset[Scope](["calls", "agent"])
_READS: Final = frozenset[Scope](["read"])
_INGESTS: Final = frozenset[Scope](["ingest"])
_SEES: Final = frozenset[Scope](["read", "calls", "agent"])

# (noun, verb), as in the subject; the verb of a question is `show`.
RIGHTS: Final[dict[tuple[str, str], Right]] = {
    ("tenant", "provision"): Right(admin=True),
    ("tenant", "suspend"): Right("owner", admin=True),
    ("tenant", "resume"): Right("owner", admin=True),
    ("tenant", "show"): Right("viewer", _SEES, admin=True),
    ("policy", "set"): Right("owner"),
    ("policy", "show"): Right("viewer", _READS, admin=True),
    # What a call costs is the platform's word: an owner could make calls free otherwise.
    ("price_book", "set"): Right(admin=True),
    ("price_book", "show"): Right("viewer", _READS, admin=True),
    ("budget", "authorize"): Right(scopes=_CALLS, visitor=True),
    ("budget", "settle"): Right(scopes=_CALLS, visitor=True),
    ("budget", "extend"): Right(scopes=_CALLS, visitor=True),
    ("budget", "release"): Right(scopes=_CALLS, visitor=True),
    ("budget", "top_up"): Right("owner"),
    ("budget", "show"): Right("viewer", _SEES, admin=True),
    ("rate", "show"): Right("viewer", _SEES, admin=True),
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
    ("knowledge", "report_ingested"): Right(scopes=_INGESTS),
    ("knowledge", "report_failed"): Right(scopes=_INGESTS),
    ("knowledge", "approve"): Right("approver"),
    ("knowledge", "reject"): Right("approver"),
    # Of what was never approved; `domain.curation` asks for an Approver for the rest.
    ("knowledge", "retire"): Right("editor"),
    ("knowledge", "show"): Right("viewer", _SEES | _INGESTS, admin=True),
}


def why_not(
    state: access.State,
    principal: str,
    noun: str,
    verb: str,
    now_us: int,
    visits: deployment.State | None = None,
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
        case "visitor" if visits is not None:
            gone = deployment.why_not_visiting(visits, principal, now_us)
            return gone or (None if right.visitor else CALLER_NOT_ALLOWED)
        case _:
            return CALLER_UNKNOWN
