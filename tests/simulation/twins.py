"""A twin that is easy to reason about: one product, one price, no rate limit to speak of."""

from __future__ import annotations

from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance
from contracts.tenant import ProvisionTenant


def provision(limit_nanos: int, price_nanos: int) -> ProvisionTenant:
    """Create the twin; a request of sku `s` costs *price_nanos*."""
    source = Provenance(source="test", retrieved_on="2026-01-01")
    return ProvisionTenant(
        command_id="provision",
        display_name="Twin",
        organisation="Test",
        policy=Policy(
            rate=RatePolicy(requests=1_000_000, burst=1_000_000),
            budget=BudgetPolicy(monthly_hard_limit_nanos=limit_nanos),
            modalities=["text"],
        ),
        price_book=PriceBook(
            entries=[
                PriceEntry(
                    provider_id="p",
                    sku="s",
                    modality="text",
                    prices={"requests": Price(price_nanos)},
                    provenance=source,
                )
            ]
        ),
        activation="immediate",
    )
