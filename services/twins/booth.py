"""
The booth: one server's samples, made in the background, and kept for a while to be played.

What is kept is kept in this process's memory alone: a quarter of an hour, the last few, a bounded
length of each. After that the log still has the call and its reference, and nobody the recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import wave
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from domain.refusals import BY_CODE
from services import logs
from services.client.connection import NotConnected
from services.client.errors import CannotVerify, NoGrant, Refused
from services.twins.calibration import NotCalibrated, Take

KEPT_S: Final = 900.0
TAKES_MAX: Final = 24
SOUND_S_MAX: Final = 20
TEXT_CHARS_MAX: Final = 4_000
# All of a round; what is made by then stays, and the next one goes on from there.
MAKING_S: Final = 90.0
# What is over sooner is answered at once.
WAIT_S: Final = 5.0
AT_ONCE_MAX: Final = 4
_SAMPLE_BYTES: Final = 2

Making: TypeAlias = Literal["idle", "running", "made", "refused"]
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "failed": (
        "The vendor did not make a sample.",
        "Make the samples again; those that are there stay.",
    ),
    "no_round": ("No round of samples is under way.", "Begin a round of samples first."),
    "not_makeable": (
        "No sample can be made here with this vendor.",
        "Begin a round with a product of another vendor.",
    ),
    "key_unusable": (
        "The twin has no key of this vendor that can be used.",
        "Have an Owner put it under Integrations, then make the samples again.",
    ),
    "unconfirmed": (
        "The gate did not confirm that a sample was booked.",
        "Make the samples again; those that are there stay.",
    ),
    "took_too_long": (
        "The vendor took too long.",
        "Make the samples again; those that are there stay.",
    ),
    "gate_silent": ("The gate could not be asked.", "Try again in a minute."),
}
Maker: TypeAlias = Callable[[str, Callable[[Take], None]], Awaitable[None]]


class SampleTake(msgspec.Struct, frozen=True, kw_only=True):
    """
    A sample that can be played: the *phrase* that it is of, and the *text* that was written.

    *address* is where it is seen while it lasts; *has_sound*: it can be heard here.
    """

    reservation_id: str
    phrase: str
    text: str
    address: str
    has_sound: bool


class SamplesShown(msgspec.Struct, frozen=True, kw_only=True):
    """How making goes; *code*, *title* and *remedy* say why it stopped. *takes* are still kept."""

    making: Making
    takes: list[SampleTake]
    code: str = ""
    title: str = ""
    remedy: str = ""


class BoothFull(Exception):
    """Samples of as many twins as may be are being made."""


class _Kept(msgspec.Struct):
    take: Take
    until_s: float


class Booth:
    """See the module. *make* makes what a twin's round lacks; *clock_s*: monotonic seconds."""

    def __init__(
        self, make: Maker, clock_s: Callable[[], float], *, wait_s: float = WAIT_S
    ) -> None:
        self._make = make
        self._clock_s = clock_s
        self._wait_s = wait_s
        self._running: dict[str, asyncio.Task[str]] = {}
        self._ended: dict[str, tuple[str, float]] = {}
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def make(self, tenant: str) -> SamplesShown:
        """Make what is missing, one round at a time per twin; raises BoothFull."""
        task = self._running.get(tenant)
        if task is None:
            if len(self._running) >= AT_ONCE_MAX:
                raise BoothFull
            task = asyncio.create_task(self._made(tenant), name=f"samples-{tenant}")
            self._running[tenant] = task
        await asyncio.wait({task}, timeout=self._wait_s)
        return self.shown(tenant)

    def shown(self, tenant: str) -> SamplesShown:
        """Return how it goes, and what is kept of this twin."""
        self._forget()
        takes = [_shown(one.take) for (of, _), one in self._kept.items() if of == tenant]
        if tenant in self._running:
            return SamplesShown(making="running", takes=takes)
        if tenant not in self._ended:
            return SamplesShown(making="idle", takes=takes)
        code, _ = self._ended[tenant]
        if not code:
            return SamplesShown(making="made", takes=takes)
        title, remedy = words(code)
        return SamplesShown(making="refused", takes=takes, code=code, title=title, remedy=remedy)

    def sound(self, tenant: str, reservation_id: str) -> bytes | None:
        """Return what was said as a WAV file; None when it is no longer, or never was, there."""
        self._forget()
        kept = self._kept.get((tenant, reservation_id))
        return None if kept is None or not kept.take.pcm else _wav(kept.take)

    async def close(self) -> None:
        """Break off what is being made; its books are closed on the way out."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _made(self, tenant: str) -> str:
        code = "failed"
        try:
            code = await self._outcome(tenant)
        finally:
            self._running.pop(tenant, None)
            self._ended[tenant] = code, self._clock_s() + KEPT_S
            logs.get().info("samples_made", tenant=tenant, code=code)
        return code

    async def _outcome(self, tenant: str) -> str:
        try:
            async with asyncio.timeout(MAKING_S):
                await self._make(tenant, lambda take: self._keep(tenant, take))
        except NotCalibrated as problem:
            return problem.code
        except TimeoutError:
            return "took_too_long"
        except (CannotVerify, NoGrant, NotConnected, Refused) as problem:
            logs.get().warning("samples_not_made", tenant=tenant, reason=type(problem).__name__)
            return "gate_silent"
        except Exception:  # noqa: BLE001 - nobody awaits it: said to the log, and to the page
            logs.get().exception("samples_failed", tenant=tenant)
            return "failed"
        return ""

    def _keep(self, tenant: str, take: Take) -> None:
        most = SOUND_S_MAX * take.sample_rate * _SAMPLE_BYTES
        bounded = msgspec.structs.replace(
            take, pcm=take.pcm[:most], text=take.text[:TEXT_CHARS_MAX]
        )
        self._kept.pop((tenant, take.reservation_id), None)
        self._kept[tenant, take.reservation_id] = _Kept(bounded, self._clock_s() + KEPT_S)
        while len(self._kept) > TAKES_MAX:
            del self._kept[next(iter(self._kept))]

    def _forget(self) -> None:
        now_s = self._clock_s()
        self._kept = {key: one for key, one in self._kept.items() if one.until_s > now_s}
        self._ended = {key: one for key, one in self._ended.items() if one[1] > now_s}


def words(code: str) -> tuple[str, str]:
    """Return what a code means and what to do: the booth's own words, or those of a refusal."""
    refusal = BY_CODE.get(code)
    if code in WORDS or refusal is None:
        return WORDS.get(code, WORDS["failed"])
    return refusal.message, refusal.remedy


def _shown(take: Take) -> SampleTake:
    return SampleTake(
        reservation_id=take.reservation_id,
        phrase=take.phrase,
        text=take.text,
        address=take.address,
        has_sound=bool(take.pcm),
    )


def _wav(take: Take) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(take.sample_rate)
        file.writeframes(take.pcm)
    return made.getvalue()
