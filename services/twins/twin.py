"""What is needed to provision a twin and to take it to its sign-off."""

from __future__ import annotations

import msgspec

from contracts.deployment import Disclosure
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.twin import Identity, Purpose

USD = 1_000_000_000


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """
    One avatar = one tenant. *avatar*: the provider and product that show it.

    *prompt* is its first system prompt, and *disclosure* what a visitor is told before anything.
    """

    tenant: str
    display_name: str
    organisation: str
    policy: Policy
    price_book: PriceBook
    identity: Identity
    purpose: Purpose
    prompt: str
    disclosure: Disclosure
    avatar: tuple[str, str]
