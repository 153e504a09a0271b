"""
Deepgram's speech to text for recorded audio as its reference has it, with an ear behind it.

    POST /v1/listen?model=nova-3&language=es&encoding=linear16&sample_rate=16000&channels=1

It hears what the sandbox's own voice says (`ear`, `formants`), and nothing in any other sound:
silence, noise and a person's voice are an empty transcript, billed all the same. Raw signed 16-bit
audio of one channel only. Letters and accents, digits, signs and the borders of words are kept; of
upper case nothing is: with `smart_format` or `punctuate` sentences begin with a capital and keep
their signs, without them words are bare.

Billed is the time of the audio, rounded up to a millisecond; errors cost nothing. Faults of its
own: `no_duration` leaves the duration out of an answer, `garbled` answers 200 with no results.
Statuses 502 and 504 are a gateway's page, not Deepgram's own error. The operation is `listen`.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar, Final

import msgspec
from aiohttp import web

from contracts.usage import Usage
from services.sandbox.ear import HeardWord, hear
from services.sandbox.exchange import Exchange
from services.sandbox.formants import SIGNS
from services.sandbox.vendor import Frame, SandboxVendor, answer
from services.sandbox.voice import BYTES_PER_SAMPLE

# The real one allows about 100; a run with a thousand sessions must not be about that.
CONCURRENT_MAX: Final = 1_000
SAMPLE_RATE_LEAST, SAMPLE_RATE_MOST = 8_000, 48_000
ENDS_SENTENCE: Final = (".", "!", "?", "…")
MODELS: Final = frozenset(["nova-3", "nova-3-general", "nova-2", "nova-2-general"])
LANGUAGES: Final = frozenset(
    [
        *("en", "en-AU", "en-GB", "en-IN", "en-NZ", "en-US", "es", "es-419", "fr", "fr-CA"),
        *("de", "it", "ja", "ko", "nl", "pl", "pt", "pt-BR", "pt-PT", "multi"),
    ]
)
_ERRORS: Final = {
    400: ("Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data"),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: (
        "INSUFFICIENT_PERMISSIONS",
        "Project does not have access to the requested model.",
    ),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
}
_S: Final = 1_000_000


class Wanted(msgspec.Struct):
    """What is read of the query."""

    model: str = "base"
    language: str = "en"
    encoding: str = ""
    sample_rate: int = 0
    channels: int = 1
    smart_format: bool = False
    punctuate: bool = False

    @property
    def keeps_signs(self) -> bool:
        return self.smart_format or self.punctuate

    def wrong(self) -> tuple[int, str] | None:
        """The status and message of what is wrong with it, if anything is."""
        if self.model not in MODELS:
            return 403, ""
        if self.language not in LANGUAGES:
            return 400, "Bad Request: No such model/language/tier combination found."
        if self.encoding != "linear16" or self.channels != 1:
            return 400, ""
        if not SAMPLE_RATE_LEAST <= self.sample_rate <= SAMPLE_RATE_MOST:
            return 400, "Bad Request: sample_rate is required with encoding."
        return None


class Deepgram(SandboxVendor):
    """The vendor. See the module."""

    name: ClassVar[str] = "deepgram"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.concurrent_max = CONCURRENT_MAX
        self.active = 0

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.post("/v1/listen", self.counted("listen", self._listen))]

    def shown_key(self, request: web.Request) -> str:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return key if scheme.lower() == "token" else ""

    def error(self, status: int, detail: str = "") -> web.Response:
        if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT):
            page = f"<html><title>{status}</title><center>gateway</center></html>"
            return web.Response(text=page, status=status, content_type="text/html")
        code, message = _ERRORS.get(status, ("INTERNAL_SERVER_ERROR", "Internal server error."))
        body = {"err_code": code, "err_msg": detail or message, "request_id": str(uuid.uuid4())}
        return answer(body, status)

    async def _listen(self, exchange: Exchange) -> web.StreamResponse:
        wanted = _wanted(exchange.request.query)
        if wanted is None:
            return self.error(400, "Bad Request: failed to deserialize query parameters.")
        if wrong := wanted.wrong():
            return self.error(*wrong)
        audio = await exchange.request.read()
        if len(audio) < BYTES_PER_SAMPLE:
            return self.error(400)
        if self.active >= self.concurrent_max:
            return self.error(429)
        self.active += 1
        try:
            # Hearing a minute takes seconds; the other vendors go on meanwhile.
            words = await asyncio.to_thread(hear, audio, wanted.sample_rate)
        finally:
            self.active -= 1
        return self._heard(exchange, wanted, audio, words)

    def _heard(
        self, exchange: Exchange, wanted: Wanted, audio: bytes, words: list[HeardWord]
    ) -> web.Response:
        samples, request_id = len(audio) // BYTES_PER_SAMPLE, str(uuid.uuid4())
        exchange.bill(Usage(stream_ms=-(-samples * 1_000 // wanted.sample_rate)), request_id)
        metadata: dict[str, Any] = {
            "transaction_key": "deprecated",
            "request_id": request_id,
            "sha256": hashlib.sha256(audio).hexdigest(),
            "created": _iso(self.now_us),
            "duration": round(samples / wanted.sample_rate, 6),
            "channels": 1,
            "models": [wanted.model],
        }
        if exchange.strikes("no_duration"):
            del metadata["duration"]
        if exchange.strikes("garbled"):
            return answer({"metadata": metadata})
        channels = [{"alternatives": [alternative(words, keeps_signs=wanted.keeps_signs)]}]
        return answer({"metadata": metadata, "results": {"channels": channels}})


def alternative(words: list[HeardWord], *, keeps_signs: bool) -> dict[str, Any]:
    """What was heard, as Deepgram spells it; the confidence is how clear it was."""
    spelled = []
    begins = True
    for word in words:
        bare = word.text.strip(SIGNS) or word.text
        punctuated = _capital(word.text) if begins else word.text
        begins = word.text.endswith(ENDS_SENTENCE)
        one = {"word": bare, "start": round(word.start_s, 3), "end": round(word.end_s, 3)}
        one["confidence"] = round(word.clarity, 4)
        spelled.append({**one, "punctuated_word": punctuated} if keeps_signs else one)
    field = "punctuated_word" if keeps_signs else "word"
    clarity = sum(word.clarity for word in words) / len(words) if words else 0.0
    return {
        "transcript": " ".join(str(word[field]) for word in spelled),
        "confidence": round(clarity, 4),
        "words": spelled,
    }


def _capital(word: str) -> str:
    """The word with its first letter in upper case, wherever it stands."""
    at = next((at for at, letter in enumerate(word) if letter.isalpha()), 0)
    return word[:at] + word[at : at + 1].upper() + word[at + 1 :]


def _wanted(query: Mapping[str, str]) -> Wanted | None:
    try:
        return msgspec.convert(dict(query), Wanted, strict=False)
    except msgspec.ValidationError:
        return None


def _iso(at_us: int) -> str:
    at = datetime.fromtimestamp(at_us / _S, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
