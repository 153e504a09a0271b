"""
Does a twin's key open its vendor? Asked with a real call that is as small as the vendor has one.

    a chat model     a few tokens          a voice    one word
    an ear           a tenth of a second   live data  one request
    an avatar        its sessions are listed, which generates and costs nothing

It is a call like any other: the gate grants it (purpose `test`), the adapter opens the key for it,
and what it cost is settled. The product is the first that the twin's price book has of the vendor.
Of a vendor's answer only the kind is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from contracts.message import Modality
from contracts.price_book import PriceEntry
from contracts.replies import Decision
from contracts.usage import Usage
from contracts.views import PriceBookView, TwinView
from services.client.errors import SecretRefused
from services.client.gate_client import GateClient
from services.vendors.adapter import (
    VendorAdapter,
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
    Way,
    simple_way,
)
from services.vendors.chat.model import ChatMessage, ChatModel, ChatRequest
from services.vendors.data.context_errors import (
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextRefused,
    ContextTooFast,
)
from services.vendors.data.context_query import ContextQuery, MatchQuery, NewsQuery
from services.vendors.data.live_data import LiveDataAdapter
from services.vendors.face.tavus import TavusAdapter
from services.vendors.failed import CreditUsedUp, KeyRefused, VendorBusy
from services.vendors.metered import metered_call
from services.vendors.speech.hearing import Hearing, HearingRequest
from services.vendors.speech.speaking import Speech, SpeechRequest

Outcome: TypeAlias = Literal[
    "works",
    "key_refused",
    "credit_used_up",
    "busy",
    "failed",
    "unreachable",
    "cut_off",
    "refused",
    "no_price",
    "no_voice",
    "not_testable",
]
# What each means, and what to do. What the gate refuses is said in the words of its refusal.
WORDS: Final[Mapping[Outcome, tuple[str, str]]] = {
    "works": ("The vendor accepts the key.", ""),
    "key_refused": (
        "The vendor refuses the key.",
        "Put the key that the vendor shows now, and check there what it may do.",
    ),
    "credit_used_up": (
        "The vendor knows the key, and its account there has no money left.",
        "Pay in at the vendor, then test again.",
    ),
    "busy": (
        "The vendor knows the key, and takes no more requests right now.",
        "Test again in a minute.",
    ),
    "failed": (
        "The vendor answered, and could not do what the test asked.",
        "Test again later; if it stays so, look at the vendor's own pages.",
    ),
    "unreachable": (
        "The vendor cannot be reached from here. Nothing was sent, and nothing is owed.",
        "Test again later; whoever runs the deployment checks its way to the Internet.",
    ),
    "cut_off": (
        "The vendor did not answer in time.",
        "Test again later. What the call may have cost is booked.",
    ),
    "no_price": (
        "The price book has no product of this vendor, so no call can be made.",
        "Have a platform super admin set its prices, then test again.",
    ),
    "no_voice": (
        "The twin has no voice yet, so this vendor cannot be asked to speak.",
        "Give its identity a voice, then test again.",
    ),
    "not_testable": (
        "There is no call by which a key of this name could be tested.",
        "Give the secret the name of its vendor, such as openai.",
    ),
}
TEST_S: Final = 9.0
TTL_MS: Final = 60_000
PATIENCE_MS: Final = 2_000
ANSWER_TOKENS: Final = 16
_GRANTED: Final = 200
# A tenth of a second of silence, at the rate that is heard everywhere.
_SILENCE: Final = bytes(3_200)
_FAILED: Final[tuple[tuple[type[Exception], Outcome], ...]] = (
    (KeyRefused, "key_refused"),
    (CreditUsedUp, "credit_used_up"),
    (VendorBusy, "busy"),
    (VendorFailed, "failed"),
    (VendorUnreachable, "unreachable"),
    (VendorCutOff, "cut_off"),
    (TimeoutError, "cut_off"),
    (ContextRefused, "key_refused"),
    (ContextNotAllowed, "key_refused"),
    (ContextOverQuota, "credit_used_up"),
    (ContextTooFast, "busy"),
    (ContextError, "failed"),
)
_FAILURES: Final = tuple(kind for kind, _ in _FAILED)


class KeyTested(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of a test. *code*, *title* and *remedy* say more; of a refusal they are the gate's.

    *decision_id* names the call in the log; null when none was asked for. *cost_nanos* is what was
    settled at once.
    """

    name: str
    outcome: Outcome
    title: str
    remedy: str
    code: str = ""
    sku: str = ""
    cost_nanos: int = 0
    decision_id: str | None = None


class _Asked(msgspec.Struct):
    """A test on its way."""

    name: str
    sku: str = ""
    decision: Decision | None = None

    def became(self, outcome: Outcome, cost_nanos: int = 0) -> KeyTested:
        title, remedy = WORDS[outcome]
        return KeyTested(
            name=self.name,
            outcome=outcome,
            title=title,
            remedy=remedy,
            code="" if outcome == "works" else outcome,
            sku=self.sku,
            cost_nanos=cost_nanos,
            decision_id=None if self.decision is None else self.decision.decision_id,
        )

    def refused(self, code: str, title: str, remedy: str) -> KeyTested:
        known = self.became("not_testable")
        return msgspec.structs.replace(
            known, outcome="refused", code=code, title=title, remedy=remedy
        )


async def try_key(
    gate: GateClient, adapters: Mapping[str, VendorAdapter], name: str, *, voice: str = ""
) -> KeyTested:
    """
    Test the secret *name*; *voice* is for a twin whose identity has none.

    Raises:
        CannotVerify: the gate could not be asked.
        Refused: the gate does not show prices.
    """
    asked, adapter = _Asked(name), adapters.get(name)
    if adapter is None:
        return asked.became("not_testable")
    book = (await gate.show(PriceBookView)).price_book
    entry = _product(adapter, book.entries if book is not None else ())
    if entry is None:
        return asked.became("no_price")
    asked.sku = entry.sku
    if isinstance(adapter, Speech):
        voice = await _voice(gate) or voice
        if not voice:
            return asked.became("no_voice")
    try:
        async with asyncio.timeout(TEST_S):
            if isinstance(adapter, TavusAdapter):
                return await _listed(gate, adapter, asked, entry)
            return await _called(gate, adapter, asked, _way(adapter, entry, name, voice))
    except SecretRefused as refused:
        return asked.refused(refused.code, refused.message, refused.remedy)
    except _FAILURES as problem:
        return asked.became(next(what for kind, what in _FAILED if isinstance(problem, kind)))


async def _called(gate: GateClient, adapter: VendorAdapter, asked: _Asked, way: Way) -> KeyTested:
    async def decided(decision: Decision) -> None:
        asked.decision = decision

    made = await metered_call(
        gate,
        Vendors(adapter),
        way,
        decided=decided,
        ttl_ms=TTL_MS,
        max_delay_ms=PATIENCE_MS,
        purpose="test",
    )
    if made.answer is None:
        return _not_granted(asked, made.decision)
    return asked.became("works", made.receipt.cost_nanos if made.receipt is not None else 0)


async def _listed(
    gate: GateClient, adapter: TavusAdapter, asked: _Asked, entry: PriceEntry
) -> KeyTested:
    decision = await gate.authorize(
        modality=entry.modality,
        provider_id=entry.provider_id,
        sku=entry.sku,
        estimate=Usage(),
        ttl_ms=TTL_MS,
        purpose="reconciliation",
    )
    if decision.status != _GRANTED:
        return _not_granted(asked, decision)
    asked.decision = decision
    grant = gate.grant(decision)
    try:
        # Since now: one page, with none of them.
        await adapter.sessions(grant, gate.timing.wall_us())
    finally:
        await asyncio.shield(
            gate.errands.start(gate.release(grant.terms.reservation_id, "nothing was generated"))
        )
    return asked.became("works")


def _not_granted(asked: _Asked, decision: Decision) -> KeyTested:
    asked.decision = decision
    return asked.refused(decision.code, decision.message, decision.remedy)


def _product(
    adapter: VendorAdapter, entries: tuple[PriceEntry, ...] | list[PriceEntry]
) -> PriceEntry | None:
    """Return the vendor's product that the test is made with; None when nothing is priced."""
    modality: Modality = "voice"
    if isinstance(adapter, ChatModel):
        modality = "text"
    elif isinstance(adapter, LiveDataAdapter):
        modality = "data"
    elif isinstance(adapter, TavusAdapter):
        modality = "video"
    found = (
        entry
        for entry in entries
        if (entry.provider_id, entry.modality) == (adapter.provider_id, modality)
        # A model of vectors has no price for what it writes, and does not chat.
        and (modality != "text" or "output_tokens" in entry.prices)
        and (not isinstance(adapter, LiveDataAdapter) or entry.sku == adapter.sku)
    )
    return next(found, None)


def _way(adapter: VendorAdapter, entry: PriceEntry, name: str, voice: str) -> Way:
    match adapter:
        case ChatModel():
            asked = ChatRequest((ChatMessage("user", "Say OK."),))
            return adapter.way(entry.sku, asked, output_tokens=ANSWER_TOKENS, turns=0)
        case Speech():
            return adapter.way(entry.sku, SpeechRequest("OK", voice, "en"))
        case Hearing():
            return adapter.way(entry.sku, HearingRequest(_SILENCE, "en"))
        case LiveDataAdapter():
            query: ContextQuery = NewsQuery(words="football", most=1)
            if adapter.answers is MatchQuery:
                query = MatchQuery()
            fetch = adapter.plan(query)
            return simple_way(
                "data", name, entry.sku, Usage(requests=1), fetch=fetch, secret_scope=name
            )
        case _:
            raise TypeError(f"{adapter.provider_id}: say how it is tested")


async def _voice(gate: GateClient) -> str:
    """Return the voice that the twin has, or is to have."""
    twin = await gate.show(TwinView)
    document = twin.live or twin.draft
    return document.identity.voice if document is not None and document.identity else ""
