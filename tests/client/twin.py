"""The twin of these tests."""

from contracts.budget import AuthorizeCall, CallOption
from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance
from contracts.usage import Usage
from services.client.sender import new_id

CENT = 10_000_000
READ = Provenance("a test", "2026-11-22")
BOOK = PriceBook(
    [
        PriceEntry("acme", "calls", "data", {"requests": Price(CENT)}, READ),
        PriceEntry("acme", "talk", "voice", {"stream_ms": Price(1_000)}, READ),
        PriceEntry("acme", "write", "text", {"output_tokens": Price(1_000)}, READ),
        PriceEntry("other", "calls", "data", {"requests": Price(CENT)}, READ),
    ]
)
FAST = RatePolicy(requests=1_000_000, burst=1_000_000)


def policy(*, limit_cents=1_000, rate=FAST):
    return Policy(
        rate=rate,
        budget=BudgetPolicy(monthly_hard_limit_nanos=limit_cents * CENT),
        modalities=["data", "voice"],
    )


async def provision(gate, **rules):
    receipt = await gate.provision(
        display_name="A twin",
        organisation="Tests",
        policy=policy(**rules),
        price_book=BOOK,
        activation="immediate",
    )
    assert receipt.status == 200


async def authorize(gate, **fields):
    wanted = {
        "modality": "data",
        "provider_id": "acme",
        "sku": "calls",
        "estimate": Usage(requests=1),
        **fields,
    }
    return await gate.authorize(**wanted)


def ask(**fields):
    wanted = {
        "command_id": new_id(),
        "modality": "data",
        "provider_id": "acme",
        "sku": "calls",
        "estimate": Usage(requests=1),
        **fields,
    }
    return AuthorizeCall(**wanted)


def option(modality="data", provider_id="acme", sku="calls", **usage):
    return CallOption(modality, provider_id, sku, Usage(**(usage or {"requests": 1})))
