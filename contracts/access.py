"""
Who acts: principals, the roles of people and the scopes of keys.

A principal is one token, `<kind>_<id>`, the last one of a command's subject. The server lets each
connection publish under its own principal only, so the gate need not believe anybody.

    operator            the deployment's own credentials: setting up, demonstrations, emergencies
    admin_<person>      a platform super admin, as the HTTP door has authenticated them
    person_<person>     a member of the twin
    key_<key id>        a service with an API key of the twin
    visitor_<session>   somebody in front of a deployment's embed code
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.message import ID_PATTERN, Event, UnixUs, whole

Role: TypeAlias = Literal["viewer", "editor", "approver", "owner"]
Scope: TypeAlias = Literal["calls", "agent", "read", "mint", "ingest"]
PrincipalKind: TypeAlias = Literal["operator", "admin", "person", "key", "visitor"]

ROLES: Final[tuple[Role, ...]] = ("viewer", "editor", "approver", "owner")
OPERATOR: Final = "operator"
PrincipalId: TypeAlias = Annotated[str, msgspec.Meta(pattern=whole(ID_PATTERN))]

# -- Events ------------------------------------------------------------------


class CallerRefused(Event, frozen=True):
    """
    Somebody asked for what they may not do; nothing of the command was looked at.

    It is no answer to that command's id: whoever guesses an id must not spoil it for its owner.
    """

    decision: int
    command_id: str
    at_us: UnixUs
    principal: str
    noun: str
    verb: str
    code: str
    status: int


AccessEvent: TypeAlias = CallerRefused

# -- Principals ----------------------------------------------------------------


def kind_of(principal: str) -> str:
    """Return the kind of a principal; text that is none has a kind that nobody has."""
    return principal.partition("_")[0]


def id_of(principal: str) -> str:
    """Return what stands behind the kind; empty for the operator."""
    return principal.partition("_")[2]
