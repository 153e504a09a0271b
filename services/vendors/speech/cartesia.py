"""
Cartesia's text to speech over its WebSocket: one context for each utterance.

See `cartesia_utterance` for what is said on the socket and how it is counted, `cartesia_lines` for
which sockets are kept. Nothing is retried: errors are typed, and a second attempt needs a grant.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from contracts.usage import Usage
from services.client.grant import Grant
from services.client.meter import Meter
from services.client.patience import Timing
from services.secret import Secret
from services.vendors.failed import failed, retry_after_ms
from services.vendors.outbound import Headers, Outbound, bearer
from services.vendors.outbound_pieces import Socket, SocketRefused
from services.vendors.speech.cartesia_lines import Lines, owner_of
from services.vendors.speech.cartesia_utterance import Utterance
from services.vendors.speech.speaking import Speech, SpeechPiece, SpeechRequest, speech_of

PATH = "/tts/websocket"
# Errors have codes from 2026-03-01 on.
VERSION = "2026-08-14"
IDLE_S = 10.0
SLOWEST, FASTEST = 0.6, 1.5


class Cartesia(Speech):
    """
    Speaks through *outbound*, as the provider *provider_id*, with the secret *secret_name*.

    A vendor that sends nothing for *idle_s* after it has all of the text is given up.
    """

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        secret_name: str = "cartesia",  # noqa: S107 - a name in the vault, no value
        idle_s: float = IDLE_S,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name
        self._idle_s = idle_s
        self._timing = timing or Timing()
        self._lines = Lines()

    async def pieces(
        self, grant: Grant, request: Mapping[str, Any]
    ) -> AsyncGenerator[SpeechPiece, None]:
        meter = grant.open(self.provider_id)
        speech = speech_of(request)
        key = await grant.secret(self._secret_name)
        owner = owner_of(grant.terms.tenant, key)
        socket = await self._lines.take(owner) or await self._connect(meter, key)
        wanted = _wanted(grant, speech)
        utterance = Utterance(self.provider_id, socket, meter, speech, wanted, self._idle_s)
        try:
            async with aclosing(utterance.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if utterance.leaves_socket_usable:
                self._lines.keep(owner, socket)
            else:
                await socket.close()

    async def _connect(self, meter: Meter, key: Secret) -> Socket:
        # The key in a header and never in the address: addresses are logged on the way.
        headers: Headers = {"Authorization": bearer(key), "Cartesia-Version": VERSION}
        try:
            return await self._outbound.socket(
                meter, PATH, headers=headers, query={"cartesia_version": VERSION}
            )
        except SocketRefused as problem:
            # It was asked and said no, which costs nothing and belongs in the books.
            meter.sending()
            meter.failed(Usage())
            wait_ms = retry_after_ms(problem.headers, self._timing.wall_us)
            raise failed(self.provider_id, problem.status, retry_after_ms=wait_ms) from problem


def _wanted(grant: Grant, speech: SpeechRequest) -> dict[str, Any]:
    """Return what every message of the context says; it must be the same in each."""
    return {
        # Letters, digits, _ and - only.
        "context_id": grant.terms.reservation_id.replace(".", "-"),
        "model_id": grant.terms.sku,
        "voice": {"id": speech.voice},
        "language": speech.language.partition("-")[0].lower(),
        "output_format": {
            "container": "raw",
            "encoding": "pcm_s16le",
            "sample_rate": speech.sample_rate,
        },
        "add_timestamps": speech.word_times,
        "generation_config": {"speed": max(SLOWEST, min(FASTEST, speech.speed))},
        # A whole text is spoken at once; parts are waited for as long as the vendor likes to.
        **({"max_buffer_delay_ms": 0} if isinstance(speech.text, str) else {}),
    }
