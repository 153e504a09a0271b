"""
Minting: a visitor asks for a session, the gate decides, and a token says what was decided.

The token is made from the gate's answer and from nothing else, after the decision is durable. So it
never says more than the log: this origin, this ceiling, until then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

import msgspec

from contracts.commands import AnyCommand
from contracts.deployment import VISIT_S_MAX, Ceiling, MintVisitor
from contracts.replies import Receipt
from services.client.sender import new_id

ADMITTED = "visitor_admitted"
VISITOR_BYTES = 16


class Visit(msgspec.Struct, frozen=True):
    """What the gate has admitted: the claims of a visitor's token. Its principal is `visitor_…`."""

    tenant: str
    deployment: str
    visitor_id: str
    origin: str
    ceiling: Ceiling
    expires_at_us: int
    disclosure_version: int

    @property
    def principal(self) -> str:
        """The name under which the gate knows the visitor."""
        return f"visitor_{self.visitor_id}"


class Ticket(msgspec.Struct, frozen=True):
    """What a visitor's page is given: its token, and which disclosure it must show."""

    token: str
    visit: Visit


class TokenIssuer(Protocol):
    """Signs the claims of a visit as a token that lasts no longer than the visit."""

    def issue(self, visit: Visit) -> str: ...


class Gate(Protocol):
    """A client of the gate for one twin, with the right to mint."""

    @property
    def tenant(self) -> str: ...

    async def tell(self, command: AnyCommand) -> Receipt: ...


def new_visitor_id() -> str:
    """An id that nobody can guess: 128 random bits."""
    return secrets.token_hex(VISITOR_BYTES)


async def mint(
    gate: Gate,
    issuer: TokenIssuer,
    *,
    deployment: str,
    origin: str,
    ttl_s: int = VISIT_S_MAX,
    visitor_id: Callable[[], str] = new_visitor_id,
) -> Ticket | Receipt:
    """
    Let a visitor in. A refusal is returned as the gate gave it; there is no token then.

    *origin* is the browser's Origin header as it came, empty without one.

    Raises:
        CannotVerify: no answer in time; nobody is let in.
        MalformedCommand: a field breaks the contract, such as a deployment's id.
    """
    receipt = await gate.tell(
        MintVisitor(
            command_id=new_id(),
            deployment=deployment,
            visitor_id=visitor_id(),
            origin=origin,
            ttl_s=ttl_s,
        )
    )
    if receipt.code != ADMITTED:
        return receipt
    visit = msgspec.convert({"tenant": gate.tenant, **receipt.facts}, Visit)
    return Ticket(issuer.issue(visit), visit)
