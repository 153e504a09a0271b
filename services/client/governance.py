"""The commands about a twin that are not about one call."""

from __future__ import annotations

from typing import Literal

from contracts.budget import TopUpCredits
from contracts.policy import Policy, SetPolicy
from contracts.price_book import PriceBook, SetPriceBook
from contracts.replies import Receipt
from contracts.tenant import ProvisionTenant, ResumeTenant, SuspendTenant
from services.client.sender import Sender, new_id


class Governance(Sender):
    """Provision, suspend and resume a twin; set its policy and prices; add credits."""

    async def provision(
        self,
        *,
        display_name: str,
        organisation: str,
        policy: Policy,
        price_book: PriceBook,
        command_id: str | None = None,
    ) -> Receipt:
        """Create the twin with its first policy and price book."""
        return await self.tell(
            ProvisionTenant(
                command_id=command_id or new_id(),
                display_name=display_name,
                organisation=organisation,
                policy=policy,
                price_book=price_book,
            )
        )

    async def set_policy(
        self,
        policy: Policy,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Replace the whole policy."""
        return await self.tell(
            SetPolicy(
                command_id=command_id or new_id(),
                policy=policy,
                expected_version=expected_version,
                note=note,
            )
        )

    async def set_price_book(
        self,
        price_book: PriceBook,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Replace the whole price book."""
        return await self.tell(
            SetPriceBook(
                command_id=command_id or new_id(),
                price_book=price_book,
                expected_version=expected_version,
                note=note,
            )
        )

    async def top_up(
        self, amount_nanos: int, *, reason: str = "", command_id: str | None = None
    ) -> Receipt:
        """Add prepaid credits."""
        return await self.tell(
            TopUpCredits(
                command_id=command_id or new_id(), amount_nanos=amount_nanos, reason=reason
            )
        )

    async def suspend(
        self,
        *,
        asleep: bool = False,
        reason: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Refuse every new call from now on: with 402 when *asleep*, else with 403."""
        mode: Literal["suspended", "asleep"] = "asleep" if asleep else "suspended"
        return await self.tell(
            SuspendTenant(command_id=command_id or new_id(), mode=mode, reason=reason)
        )

    async def resume(self, *, reason: str = "", command_id: str | None = None) -> Receipt:
        """Let calls through again."""
        return await self.tell(ResumeTenant(command_id=command_id or new_id(), reason=reason))
