"""
Calibration: three samples of a draft, made by the product that shows the twin.

    video   a conversation with the draft's face, which greets with a phrase of the twin's own;
            whoever is to sign can see it at its address while it lasts
    voice   the phrase, spoken
    text    an answer in the draft's tone

A sample is a vendor call like any other: authorised first, made through a grant with the twin's own
key, settled after, so it is on the bill and in the audit log. The vendor's name for it is what is
put before the Owner. What was said or written goes to whoever has it made, and is kept in no log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from contracts.budget import CallOption
from contracts.price_book import PriceBook
from contracts.replies import Decision, Receipt
from contracts.twin import SAMPLES
from contracts.usage import Usage
from contracts.views import Calibration, IdentityVersion, PriceBookView, TwinView
from services.client import GateClient
from services.client.errors import SecretRefused
from services.failure import Failure
from services.live.parts import Parts
from services.vendors.adapter import (
    VendorAdapter,
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
    Way,
    simple_way,
)
from services.vendors.chat.model import ChatMessage, ChatModel, ChatRequest, TextPiece
from services.vendors.face.avatar import AvatarAdapter, AvatarConfig, RuntimeLimits
from services.vendors.metered import metered_call
from services.vendors.metered_pieces import metered_pieces
from services.vendors.metered_stream import MeteredStream
from services.vendors.speech.speaking import AudioPiece, Speech, SpeechRequest

DONE: Final = 200
# How long a person can look at a sample, and the longest that it may take with all around it.
SHOWN_S: Final = 10.0
SAMPLE_MS: Final = 20_000
OUTPUT_TOKENS: Final = 300
# The bound of a sample of a product that is none of the above.
SAMPLE: Final = Usage(
    input_tokens=300, output_tokens=300, stream_ms=10_000, characters=300, requests=1, turns=1
)
_PERMILLE: Final = 1_000


class NotCalibrated(Failure):
    """The round has not got its samples. *code* is the gate's, or one of `booth.WORDS`."""

    def __init__(self, message: str, remedy: str, code: str = "failed") -> None:
        super().__init__(message, remedy)
        self.code = code


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a sample was: the *phrase* it is of, and the *text*, the sound or the *address* it became.

    *pcm* is signed 16-bit little-endian, one channel.
    """

    reservation_id: str
    phrase: str
    text: str = ""
    pcm: bytes = b""
    sample_rate: int = 0
    address: str = ""


class Studio(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where samples are made. *shown_s*: for how long a person can look at a sample; *show* gets the
    address where, and *keep* what each sample was.
    """

    parts: Parts
    shown_s: float = 0.0
    show: Callable[[str], None] = lambda _address: None
    keep: Callable[[Take], None] = lambda _take: None


class _Made(msgspec.Struct, frozen=True):
    """A call of a round, and what the vendor calls it."""

    decision: Decision
    receipt: Receipt | None
    reference: str


async def begin(gate: GateClient, *, provider_id: str, sku: str) -> None:
    """Begin a round for the draft that there is; raises NotCalibrated."""
    shown = await gate.show(TwinView)
    version = shown.draft.version if shown.draft else 0
    done(await gate.begin_calibration(version, provider_id=provider_id, sku=sku))


async def complete(gate: GateClient, studio: Studio) -> None:
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
            f"The twin {gate.tenant} is not being calibrated.",
            "set its identity and begin.",
            "no_round",
        )
    if calibration.provider_id not in studio.parts.vendors:
        raise NotCalibrated(
            f"{calibration.provider_id} cannot make samples here.",
            "begin with a product of another provider: --provider and --sku.",
            "not_makeable",
        )
    for sample in calibration.samples:
        if sample.state == "settled":
            done(await gate.record_sample(sample.reservation_id))
    recorded = sum(sample.state in ("settled", "recorded") for sample in calibration.samples)
    for number in range(recorded, SAMPLES):
        await _sample(gate, studio, calibration, draft, number)


async def _sample(
    gate: GateClient,
    studio: Studio,
    calibration: Calibration,
    draft: IdentityVersion,
    number: int,
) -> None:
    try:
        made = await _made(gate, studio, calibration, draft, number)
    except (VendorCutOff, VendorFailed, VendorUnreachable) as problem:
        raise NotCalibrated(
            f"{calibration.provider_id} did not make a sample: {problem}.",
            "calibrate again; what was made is kept.",
        ) from problem
    except SecretRefused as refused:
        raise NotCalibrated(
            f"The twin's key of {calibration.provider_id} cannot be used: {refused}.",
            f"vito secret put {gate.tenant} {calibration.provider_id}; then calibrate again.",
            "key_unusable",
        ) from refused
    granted = done(made.decision)
    if made.receipt is None or granted.reservation_id is None:
        raise NotCalibrated(
            "The gate did not confirm that a sample was booked.", "try again.", "unconfirmed"
        )
    done(made.receipt)
    done(await gate.record_sample(granted.reservation_id, reference=made.reference[:500]))


async def _made(
    gate: GateClient,
    studio: Studio,
    calibration: Calibration,
    draft: IdentityVersion,
    number: int,
) -> _Made:
    adapter = studio.parts.vendors[calibration.provider_id]
    phrases = draft.identity.signature_phrases or [draft.identity.tone]
    phrase = phrases[number % len(phrases)]
    if isinstance(adapter, AvatarAdapter):
        return await _seen(gate, studio, adapter, calibration, draft, phrase)
    if isinstance(adapter, Speech):
        way = _spoken(studio, adapter, calibration, draft, phrase)
        return await _told(gate, studio, adapter, way, phrase)
    if isinstance(adapter, ChatModel):
        way = _written(adapter, calibration, draft, phrase)
        return await _told(gate, studio, adapter, way, phrase)
    return await _called(gate, adapter, calibration, draft, phrase)


async def _seen(
    gate: GateClient,
    studio: Studio,
    adapter: AvatarAdapter,
    calibration: Calibration,
    draft: IdentityVersion,
    phrase: str,
) -> _Made:
    defaults = studio.parts.defaults
    config = AvatarConfig(
        persona=defaults.persona,
        replica=draft.identity.face or defaults.face,
        greeting=phrase,
    )
    limits = RuntimeLimits(session_ms=SAMPLE_MS, absent_ms=SAMPLE_MS)
    option = CallOption(
        calibration.modality, adapter.provider_id, calibration.sku, Usage(stream_ms=SAMPLE_MS)
    )
    way = Way(option, {"config": config, "limits": limits})
    async with MeteredStream(gate, adapter, way, purpose="calibration") as stream:
        begun = stream.answer
        if begun is not None:
            address = adapter.address(begun)
            take = Take(reservation_id=_id(stream.decision), phrase=phrase, address=address)
            studio.show(address)
            studio.keep(take)
            try:
                await gate.timing.sleep(studio.shown_s)
            finally:
                studio.keep(msgspec.structs.replace(take, address=""))
    return _Made(stream.decision, stream.receipt, begun.vendor_ref if begun is not None else "")


def _spoken(
    studio: Studio, adapter: Speech, calibration: Calibration, draft: IdentityVersion, phrase: str
) -> Way:
    who = draft.identity
    voice = who.voice or studio.parts.defaults.voice
    speed = draft.refinement.speed_permille / _PERMILLE
    return adapter.way(calibration.sku, SpeechRequest(phrase, voice, who.language, speed))


def _written(
    adapter: ChatModel, calibration: Calibration, draft: IdentityVersion, phrase: str
) -> Way:
    who = draft.identity
    brief = f"Tone: {who.tone}. Pacing: {who.pacing}. Language: {who.language}. {who.accent}"
    asked = ChatRequest((ChatMessage("system", brief), ChatMessage("user", phrase)))
    return adapter.way(calibration.sku, asked, output_tokens=OUTPUT_TOKENS)


async def _told(
    gate: GateClient, studio: Studio, adapter: VendorAdapter, way: Way, phrase: str
) -> _Made:
    """Make a sample whose answer comes in pieces, and hand it on once it is whole."""
    text, pcm, sample_rate = "", bytearray(), 0
    async with metered_pieces(gate, Vendors(adapter), way, purpose="calibration") as call:
        async for piece in call:
            if isinstance(piece, TextPiece):
                text += piece.text
            elif isinstance(piece, AudioPiece):
                pcm += piece.pcm
                sample_rate = piece.sample_rate
    if call.granted:
        studio.keep(
            Take(
                reservation_id=_id(call.decision),
                phrase=phrase,
                text=text,
                pcm=bytes(pcm),
                sample_rate=sample_rate,
            )
        )
    reference = call.meter.owed().vendor_ref if call.granted else ""
    return _Made(call.decision, call.receipt, reference)


async def _called(
    gate: GateClient,
    adapter: VendorAdapter,
    calibration: Calibration,
    draft: IdentityVersion,
    phrase: str,
) -> _Made:
    """Make a sample with a product that answers at once."""
    book = (await gate.show(PriceBookView)).price_book
    assert book is not None, "a twin is provisioned with prices"
    way = simple_way(
        calibration.modality,
        calibration.provider_id,
        calibration.sku,
        _usage(book, calibration),
        script=phrase,
        identity=msgspec.to_builtins(draft.identity),
        voice=msgspec.to_builtins(draft.refinement),
    )
    made = await metered_call(gate, Vendors(adapter), way, purpose="calibration")
    return _Made(made.decision, made.receipt, made.answer.vendor_ref if made.answer else "")


def _id(decision: Decision) -> str:
    assert decision.reservation_id is not None, "what was granted is held"
    return decision.reservation_id


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
        raise NotCalibrated(f"{answer.message}{facts}", answer.remedy, answer.code)
    return answer
