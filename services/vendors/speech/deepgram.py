"""
Deepgram's speech to text for recorded audio: one request with all of it, one answer.

    POST /v1/listen?model=nova-3&language=es-419&encoding=linear16&sample_rate=16000&channels=1&…

Read in developers.deepgram.com on 2026-11-22: address, `Authorization: Token`, query and answer
(reference/speech-to-text/listen-pre-recorded); raw audio needs `encoding` and `sample_rate`
(docs/encoding, docs/sample-rate); error bodies `{err_code, err_msg, request_id}`, or `{category,
message, details, request_id}` for a wrong body (docs/errors: 401 INVALID_AUTH, 402
ASR_PAYMENT_REQUIRED, 403 INSUFFICIENT_PERMISSIONS, 429 TOO_MANY_REQUESTS); nova-3 knows Spanish
as `es` and `es-419` only (changelog 2025-09-02); `mip_opt_out` keeps what people say out of
training. From memory, not found there: that an answer which is an error is not billed, that
the bill is by `metadata.duration` without rounding to whole seconds (third parties say by the
second), and that `Retry-After` may come with a 429.

A call is booked at the vendor's own `duration`, and at the length of what we sent when it says none
or its answer is lost: it hears all of what has arrived, whoever still listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.client.meter import Meter
from services.client.patience import Timing
from services.secret import Secret
from services.vendors.adapter import Answer, BeyondGrant, VendorCutOff, VendorFailed
from services.vendors.failed import failed, retry_after_ms
from services.vendors.outbound import Headers, Outbound, Reply
from services.vendors.speech.hearing import HEARD, Heard, Hearing, HearingRequest, hearing_of

PATH: Final = "/v1/listen"
TOTAL_S: Final = 20.0
# No person says more in the longest audio; a vendor that answers more is not believed.
TEXT_MAX: Final = 20_000
_DURATION_S_MAX: Final = 86_400
_US = 1_000_000
_US_PER_MS = 1_000


class _Alternative(msgspec.Struct):
    transcript: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class _Channel(msgspec.Struct):
    alternatives: Annotated[list[_Alternative], msgspec.Meta(min_length=1)]


class _Results(msgspec.Struct):
    channels: Annotated[list[_Channel], msgspec.Meta(min_length=1)]


class _Metadata(msgspec.Struct):
    request_id: str = ""
    duration: Annotated[float, msgspec.Meta(ge=0, le=_DURATION_S_MAX)] | None = None


class _Transcription(msgspec.Struct):
    results: _Results
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class Deepgram(Hearing):
    """
    Hears through *outbound*, as the provider *provider_id*, with the secret *secret_name*.

    A vendor that has not answered after *total_s* is given up.
    """

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        secret_name: str = "deepgram",  # noqa: S107 - a name in the vault, no value
        total_s: float = TOTAL_S,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name
        self._total_s = total_s
        self._timing = timing or Timing()

    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        meter = grant.open(self.provider_id)
        hearing = hearing_of(request)
        if hearing.audio_ms > meter.limits.stream_ms:
            raise BeyondGrant(
                f"{hearing.audio_ms} ms to hear and {meter.limits.stream_ms} ms held: "
                "hold as much as Hearing.way does"
            )
        key = await grant.secret(self._secret_name)
        # If the answer is lost it was heard all the same.
        meter.counted(Usage(stream_ms=hearing.audio_ms))
        reply = await self._outbound.request(
            meter,
            "POST",
            PATH,
            headers=_headers(key),
            query=_query(grant.terms.sku, hearing),
            body=hearing.pcm,
            timeout_s=self._total_s,
        )
        if reply.status != HTTPStatus.OK:
            raise self._refused(meter, reply)
        return _answer(meter, hearing, reply)

    def _refused(self, meter: Meter, reply: Reply) -> VendorFailed:
        """A body of its own says that nothing was heard; a gateway's page does not."""
        found = reply.value()
        body = found if isinstance(found, dict) else {}
        code = body.get("err_code") or body.get("category")
        if isinstance(code, str):
            meter.failed(Usage(), _ref(body.get("request_id")))
        return failed(
            self.provider_id,
            reply.status,
            code=code,
            retry_after_ms=retry_after_ms(reply.headers, self._timing.wall_us),
        )


def _headers(key: Secret) -> Headers:
    return {
        "Authorization": Secret(f"Token {key.reveal()}"),
        "Content-Type": "application/octet-stream",
        "Accept": "application/json",
    }


def _query(sku: str, hearing: HearingRequest) -> dict[str, str | int]:
    return {
        "model": sku,
        "language": language_of(hearing.language),
        "encoding": "linear16",
        "sample_rate": hearing.sample_rate,
        "channels": 1,
        "smart_format": "true",
        "mip_opt_out": "true",
    }


def language_of(tag: str) -> str:
    """
    Return Deepgram's code for a BCP 47 tag: the language, and `es-419` for the Americas' Spanish.

    Regions are left out of the others, because each model knows other ones.
    """
    language, _, region = tag.partition("-")
    if language.lower() == "es" and region and region.upper() != "ES":
        return "es-419"
    return language.lower()


def _answer(meter: Meter, hearing: HearingRequest, reply: Reply) -> Answer:
    try:
        found = msgspec.json.decode(reply.body, type=_Transcription)
    except msgspec.MsgspecError as problem:
        raise VendorCutOff(f"the answer is not as documented: {problem}") from problem
    reported_ms = _ms(found.metadata.duration)
    usage = Usage(stream_ms=hearing.audio_ms if reported_ms is None else reported_ms)
    meter.completed(usage, _ref(found.metadata.request_id))
    best = found.results.channels[0].alternatives[0]
    heard = Heard(best.transcript.strip(), best.confidence, is_reported=reported_ms is not None)
    return Answer({HEARD: heard}, usage, meter.vendor_ref)


def _ms(duration_s: float | None) -> int | None:
    """A duration rounded up to a millisecond; what is below a microsecond is the float's own."""
    return None if duration_s is None else -(-round(duration_s * _US) // _US_PER_MS)


def _ref(found: object) -> str:
    return found[:128] if isinstance(found, str) else ""
