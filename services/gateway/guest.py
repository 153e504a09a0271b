"""A guest: somebody who was let in to talk with one twin."""

from __future__ import annotations

import msgspec

from contracts.deployment import Ceiling
from contracts.stream import Shown
from services.http_door.caller import Caller


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """
    *principal* is how the gate knows them. Of a visitor: the deployment's id, its ceiling for them,
    and the disclosure that is due.
    """

    caller: Caller
    tenant: str
    principal: str
    deployment: str = ""
    ceiling: Ceiling | None = None
    disclosure: Shown | None = None

    @property
    def is_visitor(self) -> bool:
        """Whether they are somebody on a page, and no service."""
        return self.caller.kind == "visitor"

    @property
    def expires_at_us(self) -> int | None:
        """When what they have shown is over; None: never."""
        return self.caller.expires_at_us
