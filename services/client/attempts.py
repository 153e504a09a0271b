"""The attempts at one message: sent, answered or not, repeated until a deadline."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, MaxPayloadError, NoRespondersError
from nats.errors import Error as NatsError

from services.client.caller import NotPermitted
from services.client.errors import CannotVerify, NotAllowed
from services.client.patience import SHORTEST_ATTEMPT_US, Patience, Timing, wait_us
from services.client.wire import Reply, Wire

_US = 1_000_000


class Bus(Protocol):
    """The part of a NATS connection that a client of the gate uses."""

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 - the library's own signature
        old_style: bool = False,  # noqa: FBT001, FBT002 - likewise
        headers: dict[str, Any] | None = None,
    ) -> Msg: ...


class Attempts:
    """
    One message's attempts. Use it in a loop:

        while True:
            reply = await attempts.send(payload, Decision)
            if reply is not None and it is final: return reply
            await attempts.pause(reason, retry_after_ms)
    """

    def __init__(
        self,
        bus: Bus,
        wire: Wire,
        timing: Timing,
        patience: Patience,
        *,
        subject: str,
        command_id: str = "",
    ) -> None:
        self._bus = bus
        self._wire = wire
        self._timing = timing
        self._attempt_us = int(patience.attempt_s * _US)
        self.began_us = timing.monotonic_us()
        self._deadline_us = self.began_us + int(patience.deadline_s * _US)
        self._subject = subject
        self._command_id = command_id
        self._reason = "not sent"
        self.number = 0

    async def send(self, payload: bytes, kind: type[Reply]) -> Reply | None:
        """
        Send once. None: no reply came, and whether it took effect is unknown.

        Raises:
            NotAllowed: the bus did not let it pass.
            CannotVerify: there is no connection any more, or the reply cannot be read.
            MalformedCommand: the gate could not read it.
        """
        left_us = self._deadline_us - self._timing.monotonic_us()
        timeout_s = max(SHORTEST_ATTEMPT_US, min(self._attempt_us, left_us)) / _US
        self.number += 1
        try:
            message = await self._bus.request(
                self._subject, payload, timeout=timeout_s, headers=self._wire.headers
            )
        except NotPermitted:
            raise NotAllowed(self._subject) from None
        except NoRespondersError:
            self._reason = "nobody serves this twin now"
            return None
        except TimeoutError:  # nats.errors.TimeoutError is one
            self._reason = f"no reply within {timeout_s:g} s"
            return None
        except (ConnectionClosedError, MaxPayloadError) as problem:
            raise self._give_up(str(problem)) from problem
        except (NatsError, OSError) as problem:
            self._reason = str(problem) or type(problem).__name__
            return None
        try:
            return self._wire.read(message.data, message.headers, kind)
        except msgspec.DecodeError as problem:
            raise self._give_up(f"the reply breaks the contract: {problem}") from problem

    async def pause(self, reason: str = "", retry_after_ms: int | None = None) -> None:
        """Wait before the next attempt; raises CannotVerify when there is no time for one."""
        if reason:
            self._reason = reason
        timing = self._timing
        delay_us = wait_us(self.number, timing.chance(), retry_after_ms)
        if timing.monotonic_us() + delay_us + SHORTEST_ATTEMPT_US > self._deadline_us:
            raise self._give_up(self._reason)
        await timing.sleep(delay_us / _US)

    def _give_up(self, reason: str) -> CannotVerify:
        return CannotVerify(self._subject, self._command_id, attempts=self.number, reason=reason)
