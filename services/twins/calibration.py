"""
Calibration: three samples of a draft, made by the avatar provider.

A sample is a vendor call like any other: authorised first, made through a grant, settled after, so
it is on the bill and in the audit log. What the vendor said is its reference is what is put before
the Owner; a recording is kept nowhere here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from contracts.price_book import PriceBook
from contracts.replies import Decision, Receipt
from contracts.twin import SAMPLES
from contracts.usage import Usage
from contracts.views import Calibration, IdentityVersion, PriceBookView, TwinView
from services.client import GateClient
from services.failure import Failure
from services.vendors.adapter import (
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
    simple_way,
)
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import CountingVendor
from services.vendors.metered import metered_call
from services.vendors.outbound import Outbound

DONE = 200
# Ten seconds of speech: enough for a phrase and a call to action.
SAMPLE = Usage(
    input_tokens=300, output_tokens=300, stream_ms=10_000, characters=300, requests=1, turns=1
)


class NotCalibrated(Failure):
    """The round has not got its samples."""


@asynccontextmanager
async def local_vendor(provider_id: str) -> AsyncIterator[Vendors]:
    """Start the vendor that stands for the avatar provider on a machine without accounts."""
    async with CountingVendor() as vendor, Outbound(vendor.url) as outbound:
        yield Vendors(CountingAdapter(provider_id, outbound))


async def begin(gate: GateClient, *, provider_id: str, sku: str) -> None:
    """Begin a round for the draft that there is; raises NotCalibrated."""
    shown = await gate.show(TwinView)
    version = shown.draft.version if shown.draft else 0
    done(await gate.begin_calibration(version, provider_id=provider_id, sku=sku))


async def complete(gate: GateClient, vendors: Vendors) -> None:
    """
    Make what the round that is under way still lacks, and record it; harmless to repeat.

    Raises:
        NotCalibrated: the gate refused, or the vendor failed; samples that were made stay.
        CannotVerify: the gate could not be asked.
    """
    shown = await gate.show(TwinView)
    draft, calibration = shown.draft, shown.calibration
    if draft is None or calibration is None:
        raise NotCalibrated(
            f"The twin {gate.tenant} is not being calibrated.", "set its identity and begin."
        )
    for sample in calibration.samples:
        if sample.state == "settled":
            done(await gate.record_sample(sample.reservation_id))
    recorded = sum(sample.state in ("settled", "recorded") for sample in calibration.samples)
    book = (await gate.show(PriceBookView)).price_book
    assert book is not None, "a twin is provisioned with prices"
    for number in range(recorded, SAMPLES):
        await _sample(gate, vendors, calibration, _usage(book, calibration), _ask(draft, number))


async def _sample(
    gate: GateClient,
    vendors: Vendors,
    calibration: Calibration,
    usage: Usage,
    request: dict[str, Any],
) -> None:
    way = simple_way(
        calibration.modality, calibration.provider_id, calibration.sku, usage, **request
    )
    try:
        made = await metered_call(gate, vendors, way, purpose="calibration")
    except (VendorCutOff, VendorFailed, VendorUnreachable) as problem:
        raise NotCalibrated(
            f"{calibration.provider_id} did not make a sample: {problem}.",
            "calibrate again; what was made is kept.",
        ) from problem
    granted = done(made.decision)
    if made.receipt is None or granted.reservation_id is None or made.answer is None:
        raise NotCalibrated("The gate did not confirm that a sample was booked.", "try again.")
    done(made.receipt)
    done(await gate.record_sample(granted.reservation_id, reference=made.answer.vendor_ref[:500]))


def _ask(draft: IdentityVersion, number: int) -> dict[str, Any]:
    """What a sample is to show: a phrase of the twin's own, as it is to be said."""
    who, voice = draft.identity, draft.refinement
    phrases = who.signature_phrases or [who.tone]
    return {
        "script": phrases[number % len(phrases)],
        "identity": msgspec.to_builtins(who),
        "voice": msgspec.to_builtins(voice),
    }


def _usage(book: PriceBook, calibration: Calibration) -> Usage:
    """The bound of a sample, in the quantities that its product is priced by."""
    wanted = (calibration.provider_id, calibration.sku, calibration.modality)
    priced = next(
        entry.prices
        for entry in book.entries
        if (entry.provider_id, entry.sku, entry.modality) == wanted
    )
    return Usage(**{quantity: getattr(SAMPLE, quantity) for quantity in priced})


def done(answer: Decision | Receipt) -> Decision | Receipt:
    """Return an answer that says yes; raises NotCalibrated with what the gate says instead."""
    if answer.status != DONE:
        facts = "".join(f" {name}: {value}." for name, value in answer.facts.items())
        raise NotCalibrated(f"{answer.message}{facts}", answer.remedy)
    return answer
