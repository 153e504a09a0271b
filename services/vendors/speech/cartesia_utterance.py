"""
One utterance on a socket to Cartesia: a context, in their words.

    we send     {context_id, transcript, continue, …}, {…, flush}, {context_id, cancel: true}
    they send   chunk (audio), timestamps, flush_done, done, error

An error frame carries `done: true` as well, so it is looked at first; whoever asks for `done` first
takes a 429 for the end of a short utterance. Cartesia goes on speaking when nobody listens, so an
utterance that is left early is cancelled.

Billed are the characters of the transcripts, errors cost nothing. It does not report usage: what we
sent, and how much audio came, is the count. Of an utterance that is left early it has spoken more
than we have heard, so until it is done the time counted is what the text takes.
"""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from contracts.usage import Usage
from services.client.meter import Meter
from services.vendors.adapter import BeyondGrant, VendorCutOff, VendorFailed
from services.vendors.failed import failed
from services.vendors.outbound_pieces import Socket
from services.vendors.speech.speaking import (
    AudioPiece,
    Flush,
    SpeechPiece,
    SpeechRequest,
    Spoken,
    Word,
    WordTimes,
    about_ms,
    audio_ms,
)

CANCEL_S = 1.0
_S_TO_MS = 1_000


class Utterance:
    """Says *speech* on *socket*; *meter* is right at every moment of it."""

    def __init__(
        self,
        provider_id: str,
        socket: Socket,
        meter: Meter,
        speech: SpeechRequest,
        wanted: Mapping[str, Any],
        idle_s: float,
    ) -> None:
        self._provider_id = provider_id
        self._socket = socket
        self._meter = meter
        self._speech = speech
        self._wanted = wanted
        self._idle_s = idle_s
        self._characters = 0
        self._pcm_bytes = 0
        self._about_ms = 0
        self._sender: asyncio.Task[None] | None = None
        # Whether the socket can carry another utterance after this one.
        self.leaves_socket_usable = False

    @property
    def context_id(self) -> str:
        return str(self._wanted["context_id"])

    async def pieces(self) -> AsyncGenerator[SpeechPiece, None]:
        """Speak. Raises what `PiecesAdapter.pieces` raises, and what the source of parts raises."""
        self._note()
        self._sender = asyncio.create_task(self._send())
        is_over = False
        try:
            while True:
                frame = await self._frame(self._sender)
                if frame.get("type") == "error":
                    is_over = True
                    raise self._failed(frame)
                if frame.get("type") == "done":
                    break
                for piece in self._heard(frame):
                    yield piece
            is_over = self.leaves_socket_usable = True
            self._meter.completed(self._heard_so_far(), self.context_id)
            yield Spoken(self._heard_so_far())
        finally:
            await self._leave(is_over=is_over)

    # -- what we send -------------------------------------------------------------------

    async def _send(self) -> None:
        if isinstance(self._speech.text, str):
            await self._say(self._speech.text, goes_on=False)
            return
        async for part in self._speech.text:
            if isinstance(part, Flush):
                await self._say("", goes_on=True, flush=True)
            elif part:
                await self._say(part, goes_on=True)
        await self._say("", goes_on=False)

    async def _say(self, text: str, *, goes_on: bool, flush: bool = False) -> None:
        if self._characters + len(text) > self._meter.limits.characters:
            raise BeyondGrant(
                f"{self._characters + len(text)} characters to say and "
                f"{self._meter.limits.characters} held"
            )
        # Counted before it is sent: if the answer is lost it was spoken all the same.
        self._characters += len(text)
        self._about_ms += about_ms(text, self._wanted["generation_config"]["speed"])
        self._note()
        message = {**self._wanted, "transcript": text, "continue": goes_on}
        await self._socket.send(self._meter, {**message, "flush": True} if flush else message)

    # -- what we hear -------------------------------------------------------------------

    async def _frame(self, sender: asyncio.Task[None]) -> dict[str, Any]:
        """Return the next frame of this context; what is left of another one is passed over."""
        while True:
            frame = await self._receive(sender)
            if frame.get("context_id") in (None, self.context_id):
                return frame

    async def _receive(self, sender: asyncio.Task[None]) -> dict[str, Any]:
        receiving = asyncio.ensure_future(self._socket.receive())
        try:
            if not sender.done():
                # Who writes the text may take its time; then there is nothing to hear either.
                await asyncio.wait({receiving, sender}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done() and not receiving.done():
                sender.result()
            async with asyncio.timeout(self._idle_s):
                return await receiving
        except TimeoutError as problem:
            raise VendorCutOff(f"silent for {self._idle_s:g} s") from problem
        finally:
            # The socket has one listener at a time: this one must be gone before the next.
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    def _heard(self, frame: dict[str, Any]) -> list[SpeechPiece]:
        try:
            match frame.get("type"):
                case "chunk":
                    return [self._audio(b64decode(frame["data"], validate=True))]
                case "timestamps":
                    return [_words(frame["word_timestamps"])]
                case _:
                    return []  # `flush_done`, and what may be added one day.
        except (KeyError, TypeError, ValueError, binascii.Error) as problem:
            raise VendorCutOff(f"a frame is not as documented: {problem}") from problem

    def _audio(self, pcm: bytes) -> AudioPiece:
        self._pcm_bytes += len(pcm)
        self._note()
        if self._heard_so_far().stream_ms > self._meter.limits.stream_ms:
            raise BeyondGrant(
                f"more audio than the {self._meter.limits.stream_ms} ms that were held"
            )
        return AudioPiece(pcm, self._speech.sample_rate)

    def _heard_so_far(self) -> Usage:
        stream_ms = audio_ms(self._pcm_bytes, self._speech.sample_rate)
        return Usage(characters=self._characters, stream_ms=stream_ms)

    def _note(self) -> None:
        heard = self._heard_so_far()
        unheard_ms = min(self._about_ms, self._meter.limits.stream_ms)
        stream_ms = max(heard.stream_ms, unheard_ms)
        self._meter.counted(msgspec.structs.replace(heard, stream_ms=stream_ms))

    def _failed(self, frame: dict[str, Any]) -> VendorFailed:
        status = frame.get("status_code")
        if not self._pcm_bytes:
            self._meter.failed(Usage(), self.context_id)
        # With audio already here, half of it may have been billed: our count stands.
        return failed(
            self._provider_id,
            status if isinstance(status, int) else 500,
            code=frame.get("error_code") or frame.get("title"),
        )

    # -- the end ------------------------------------------------------------------------

    async def _leave(self, *, is_over: bool) -> None:
        assert self._sender is not None, "it was begun"
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        if is_over or not self._meter.reached:
            self.leaves_socket_usable = self.leaves_socket_usable or not self._meter.reached
            return
        try:
            async with asyncio.timeout(CANCEL_S):
                await self._socket.send(
                    self._meter, {"context_id": self.context_id, "cancel": True}
                )
            self.leaves_socket_usable = True
        except (TimeoutError, VendorCutOff):
            self.leaves_socket_usable = False  # Closing it ends its contexts as well.


def _words(found: dict[str, Any]) -> WordTimes:
    times = zip(found["words"], found["start"], found["end"], strict=True)
    return WordTimes(
        tuple(
            msgspec.convert(
                {
                    "text": word,
                    "start_ms": round(start * _S_TO_MS),
                    "end_ms": round(end * _S_TO_MS),
                },
                Word,
            )
            for word, start, end in times
        )
    )
