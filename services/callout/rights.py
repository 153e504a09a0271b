"""
What a connection may say and hear, from the one matrix of rights in the domain.

The gate decides; this only keeps a connection from saying what the gate would refuse anyway, and
from saying it in another's name. A question or command that is new in the matrix is allowed here
without a line of code.
"""

from __future__ import annotations

from typing import Final

from contracts import subjects
from contracts.access import Role, Scope
from domain.rights import RIGHTS, role_may, scopes_may
from services.embedded.nats_permissions import Permissions, caller_inbox

# Who hears of all that changes while it serves, and who only of the ends of sessions.
_HEARS_PUSHES: Final[frozenset[Scope]] = frozenset(["agent"])
_HEARS_ENDS: Final[frozenset[Scope]] = frozenset(["calls"])


def of_key(tenant: str, principal: str, scopes: frozenset[Scope]) -> Permissions:
    """Return what a key with *scopes* may do in its tenant."""
    asks = [name for name in RIGHTS if scopes_may(scopes, *name)]
    hears: tuple[str, ...] = ()
    if scopes & _HEARS_PUSHES:
        hears = (subjects.pushes(tenant),)
    elif scopes & _HEARS_ENDS:
        hears = (subjects.push_session(tenant),)
    return _permissions(tenant, principal, asks, hears)


def of_person(tenant: str, principal: str, role: Role) -> Permissions:
    """Return what a member with *role* may do in a tenant."""
    asks = [name for name in RIGHTS if role_may(role, *name)]
    return _permissions(tenant, principal, asks, ())


def _permissions(
    tenant: str, principal: str, asks: list[tuple[str, str]], hears: tuple[str, ...]
) -> Permissions:
    publish = []
    for noun, verb in asks:
        # The server maps first and checks then; the plain form is there so that what no mapping
        # covers is answered with "no responders" at once.
        asked = subjects.asked(tenant, noun, verb, principal)
        publish += [asked, subjects.anywhere(asked)]
    return Permissions(tuple(publish), (f"{caller_inbox(principal)}.>", *hears))
