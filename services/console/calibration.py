"""
Calibration: three samples of the draft, to be seen or heard, and how to adjust what they show.

A sample is a call to a vendor: the server makes it when a form asks, or a service with a key does.
What it was the server keeps for a quarter of an hour, and it is played from there. After that what
is known of it is its reference. Where that is an address it is played from there, and the page's
policy allows that origin and no other; a vendor's own name for it can only be shown.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from contracts.twin import SAMPLES
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.pages import Page
from services.query_api.problems import CANNOT_VERIFY

_PERMILLE: Final = 10
_SHOWN_IN: Final = ("video", "voice", "text")
_IS_PERCENT: Final = re.compile(r"([0-9]{1,4})(?:[.,]([0-9]))?")
ADJUSTED: Final = ("pitch_permille", "speed_permille")


@dataclass(frozen=True, slots=True)
class Sample:
    """A call of the round. *address* is where it can be played, if anywhere."""

    reservation_id: str
    state: str
    number: int
    reference: str
    address: str = ""


async def show(ask: Ask) -> web.StreamResponse:
    """Show the round that is under way, and how to begin one."""
    view, policy, book, kept = await asyncio.gather(
        ask.get("live/twin"), ask.get("live/policy"), ask.get("live/price-book"), takes(ask)
    )
    made = samples(view)
    making = kept if view["draft"] and view["calibration"] else {"making": "idle"}
    played_from = origins(made)
    if ask.is_live_part and ask.request.query.get("media", "") != " ".join(played_from):
        return ask.anew()
    return ask.page(
        "dna_calibration.html",
        view=view,
        samples=made,
        needed=SAMPLES,
        products=_products(policy["policy"], book["price_book"]),
        adjusted=_adjusted(ask, view),
        media=played_from,
        making=making,
        takes=by_call(kept),
    )


async def begin(ask: Ask) -> web.StreamResponse:
    """Begin a round of samples of the draft."""
    provider, _, sku = ask.form.text("product").partition("/")
    receipt = await ask.do(
        "twin",
        "begin_calibration",
        version=ask.form.number("version"),
        provider_id=provider,
        sku=sku,
    )
    return ask.done("dna/calibration", "begun", receipt)


async def make(ask: Ask) -> web.StreamResponse:
    """Have the server make what is missing; what comes of it is on the page."""
    await ask.post("twin/make-samples")
    return ask.done("dna/calibration", "asked")


async def takes(ask: Ask) -> Json:
    """Return what the server keeps of samples; nothing where it makes none."""
    try:
        return await ask.get("twin/recordings")
    except ApiProblem as problem:
        if problem.code != CANNOT_VERIFY.code:
            raise
        return {"making": "idle", "takes": []}


def by_call(kept: Json) -> dict[str, Json]:
    """Return what is kept, by the call that it is of, with only addresses that are safe."""
    return {
        one["reservation_id"]: one | {"address": address_in(one["address"])}
        for one in kept["takes"]
    }


async def record(ask: Ask) -> web.StreamResponse:
    """Put a sample that was made before the reviewer."""
    receipt = await ask.do(
        "twin",
        "record_sample",
        reservation_id=ask.form.text("reservation_id"),
        reference=ask.form.text("reference"),
    )
    return ask.done("dna/calibration", "recorded", receipt)


async def refine(ask: Ask) -> web.StreamResponse:
    """Adjust pitch and speed: a new draft."""
    receipt = await ask.do(
        "twin",
        "refine",
        refinement={name: _permille(ask, f"refinement.{name}") for name in ADJUSTED},
        expected_version=ask.form.number("expected_version"),
        note=ask.form.text("refine_note"),
    )
    return ask.done("dna/calibration", "refined", receipt)


def samples(view: Json) -> list[Sample]:
    """Return the calls of the round that is under way."""
    found = (view["calibration"] or {}).get("samples", [])
    return [
        Sample(
            one["reservation_id"],
            one["state"],
            one["number"],
            one["reference"],
            address_in(one["reference"]),
        )
        for one in found
    ]


def address_in(reference: str) -> str:
    """Return where a reference says that a sample is played from, if it says so."""
    try:
        parts = urlsplit(reference)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return ""
    # An address may not end the policy's directive, nor carry somebody's password.
    is_plain = bool(host) and not parts.username and not any(c in parts.netloc for c in " ;,'\"")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    return reference if is_plain and is_safe and reference.isascii() else ""


def origins(found: list[Sample]) -> list[str]:
    """Return from where the samples are played."""
    parts = (urlsplit(one.address) for one in found if one.address)
    return sorted({f"{part.scheme}://{part.netloc}" for part in parts})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _products(policy: Json | None, book: Json | None) -> list[str]:
    """Return the products that can show the twin: the dearest modality that it may appear in."""
    allowed = policy["modalities"] if policy else []
    modality = next((one for one in _SHOWN_IN if one in allowed), None)
    entries = book["entries"] if book else []
    return [f"{one['provider_id']}/{one['sku']}" for one in entries if one["modality"] == modality]


def _adjusted(ask: Ask, view: Json) -> dict[str, str]:
    """Return pitch and speed in percent, as they are or as they were written."""
    draft = view["draft"] or view["live"]
    known = draft["refinement"] if draft else {}
    return {
        name: ask.form.fields.get(
            f"refinement.{name}", f"{Decimal(known.get(name, 1_000)) / _PERMILLE:f}"
        )
        for name in ADJUSTED
    }


def _permille(ask: Ask, name: str) -> int:
    """Read percent with at most one decimal; raises WrongField."""
    said = _IS_PERCENT.fullmatch(ask.form.text(name))
    if said:
        return int(said[1]) * _PERMILLE + int(said[2] or 0)
    raise WrongField(name, "must be percent with at most one decimal, such as 97.5")


PAGE: Final = Page(
    "calibration",
    "",
    "twin",
    show,
    {"begin": begin, "make": make, "record": record, "refine": refine},
)
