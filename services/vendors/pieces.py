"""
What every adapter is whose answers come in pieces: text as it is written, audio as it is spoken.

The pieces are an async generator. Closing it, or cancelling whoever waits for the next piece, ends
the call at the vendor, because a vendor goes on generating, and billing, until it is told.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from services.client.grant import Grant
from services.vendors.adapter import Answer, VendorAdapter


class PiecesAdapter(VendorAdapter):
    """A vendor that answers in pieces. See `services.vendors.metered_pieces` for how to call it."""

    @abstractmethod
    def pieces(self, grant: Grant, request: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """
        Make one call. Nothing is sent before the first piece is asked for.

        The grant's meter follows the call piece by piece, so that it is right whenever it ends.

        Raises:
            NoGrant, VendorUnreachable: nothing was sent.
            BeyondGrant: what was wanted is more than was held for; that part was not sent.
            VendorFailed, VendorCutOff: something was.
        """

    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        """Make one call and wait for all of it. Raises what `pieces` raises."""
        async with aclosing(self.pieces(grant, request)) as pieces:
            found = [piece async for piece in pieces]
        return Answer({"pieces": found}, grant.meter.so_far, grant.meter.vendor_ref)
