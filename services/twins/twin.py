"""What is needed to provision a twin."""

from __future__ import annotations

import msgspec

from contracts.policy import Policy
from contracts.price_book import PriceBook

USD = 1_000_000_000


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """One avatar = one tenant."""

    tenant: str
    display_name: str
    organisation: str
    policy: Policy
    price_book: PriceBook
