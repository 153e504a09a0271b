"""
The name that a session of ours has at its vendor: `vito:<deployment>:<reservation>`.

Vendors have no idempotency keys, but they keep a name. With it a session whose creation got no
answer can be found, and one that outlived its process be traced to the hold that paid for it. The
deployment is in it because several may share an account: nobody ends what is another's.
"""

from __future__ import annotations

import re

import msgspec

from contracts.message import RESERVATION_PATTERN, TENANT_PATTERN

PREFIX = "vito"
_IS_OURS = re.compile(
    rf"{PREFIX}:(?P<deployment>[a-z0-9][a-z0-9_-]*):"
    rf"(?P<reservation>(?P<tenant>{TENANT_PATTERN})\.[0-9]+)",
    re.ASCII,
)
_IS_RESERVATION = re.compile(RESERVATION_PATTERN, re.ASCII)


class SessionName(msgspec.Struct, frozen=True):
    """Whose session it is, and which hold pays for it."""

    deployment: str
    tenant: str
    reservation_id: str

    def __str__(self) -> str:
        return f"{PREFIX}:{self.deployment}:{self.reservation_id}"


def name_of(deployment: str, reservation_id: str) -> SessionName:
    """Name the session that a reservation pays for."""
    return SessionName(deployment, reservation_id.rpartition(".")[0], reservation_id)


def parse(text: object) -> SessionName | None:
    """Read a name; None when a session is not ours."""
    found = _IS_OURS.fullmatch(text) if isinstance(text, str) else None
    if found is None or _IS_RESERVATION.fullmatch(found["reservation"]) is None:
        return None
    return SessionName(found["deployment"], found["tenant"], found["reservation"])
