"""
Reading a stream in order, as fast as it comes and no faster than it is taken.

An ordered consumer of our own: ephemeral, without acknowledgements, pulled. Pulling bounds what is
under way by itself, and the server delivers without holding up writers, as a large direct get
would. Deliveries are numbered; after a gap, a lost connection, or a consumer that is gone with its
server, a new consumer begins behind the last message that was taken.
"""

import asyncio
import json
from collections import deque
from typing import Any

from nats.aio.subscription import Subscription

from services.eventstore import wire
from services.eventstore.connection import REQUEST_TIMEOUT_S, EventStoreConnection
from services.eventstore.errors import OutcomeUnknown, Rejected, Unavailable
from services.eventstore.names import TRACKING, Names
from services.eventstore.wire import Recorded

# Messages asked for and not yet taken. Half of them taken, the next half is asked for.
WINDOW = 4_000
# What one step may hand over: whoever shares the event loop waits that long, about a millisecond.
BATCH_MAX = 256
HEARTBEAT_S = 2.0
PULL_EXPIRES_S = 30.0
# How long it tries to begin again before it gives up.
DEADLINE_S = 30.0
_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 1.0
_NANOS = 1_000_000_000
# Room for subject, reply and header beside the largest payload.
_FRAME_BYTES = 64 * 1024
_HEARTBEAT = 100
_REQUEST_ENDED = (408, 409)
_TOO_LARGE = "Message Size Exceeds MaxBytes"
_REQUEST_IS_OVER = ("Request Timeout", "Batch Completed", _TOO_LARGE)


class OrderedReader:
    """
    The events of one filter after one sequence, in order, none left out, none twice.

    For one task at a time. `next()` waits for ever; the server's heartbeats tell a quiet stream
    from a dead one.
    """

    def __init__(
        self,
        connection: EventStoreConnection,
        names: Names,
        subject: str,
        after_seq: int,
        *,
        window: int = WINDOW,
        heartbeat_s: float = HEARTBEAT_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.last_seq = after_seq
        self._connection = connection
        self._names = names
        self._subject = subject
        self._window = window
        self._heartbeat_s = heartbeat_s
        self._deadline_s = deadline_s
        self._bytes_max = connection.max_payload + _FRAME_BYTES
        self._rows: deque[tuple[bytes, bytes, bytes, bytes]] = deque()
        self._wake = asyncio.Event()
        self._consumer = ""
        self._subscription: Subscription | None = None
        self._asked = 0
        self._delivered = 0
        self._delivered_when_asked = 0
        self._has_begun = False
        self._is_broken = False
        # Since when nothing has come, and how long to wait before beginning again.
        self._lost_at_s: float | None = None
        self._pause_s = 0.0
        self._unwatch = connection.watch(self._break)

    async def next(self) -> list[Recorded]:
        """
        Wait for messages and return all that are there; at least one.

        Raises Unavailable when reading could not be begun again within the deadline.
        """
        if self._rows:
            await asyncio.sleep(0)
        while True:
            if self._subscription is None or (self._is_broken and not self._rows):
                await self._begin_again()
            batch = self._take()
            await self._ask()
            if batch:
                return batch
            await self._wait()

    async def close(self) -> None:
        """Stop reading. What was delivered and not taken is forgotten."""
        self._unwatch()
        await self._end()

    # -- what arrives

    def _receive(self, subject: bytes, reply: bytes, header: bytes, data: bytes) -> None:
        if reply.startswith(b"$JS.ACK."):
            self._rows.append((subject, reply, header, data))
            self._asked -= 1
            self._lost_at_s = None
        else:
            self._told(header)
        self._wake.set()

    def _told(self, header: bytes) -> None:
        number, text = wire.status_of(header) or (0, "")
        if number == _HEARTBEAT:
            self._lost_at_s = None
        elif number in _REQUEST_ENDED and text.startswith(_REQUEST_IS_OVER):
            self._asked -= wire.number_in(header, b"Nats-Pending-Messages") or 0
            if text.startswith(_TOO_LARGE) and self._delivered == self._delivered_when_asked:
                # The next message is larger than all we asked for: max_payload was lowered once.
                self._bytes_max *= 2
        else:
            self._is_broken = True

    def _break(self) -> None:
        self._is_broken = True
        self._wake.set()

    def _take(self) -> list[Recorded]:
        """Return some of what has arrived, up to the first gap."""
        batch: list[Recorded] = []
        rows = self._rows
        while rows and len(batch) < BATCH_MAX:
            number, recorded = wire.delivered(self._names, *rows.popleft())
            if number != self._delivered + 1:
                self._is_broken = True
                rows.clear()
                break
            self._delivered = number
            self.last_seq = recorded.seq
            if recorded.originator_id != TRACKING:
                batch.append(recorded)
        return batch

    async def _wait(self) -> None:
        self._wake.clear()
        if self._rows or self._is_broken:
            return
        try:
            async with asyncio.timeout(self._heartbeat_s * 2):
                await self._wake.wait()
        except TimeoutError:
            self._is_broken = True

    # -- what is asked for

    async def _ask(self) -> None:
        if self._is_broken or self._asked > self._window // 2:
            return
        count = self._window - self._asked
        body: dict[str, Any] = {
            "batch": count,
            "max_bytes": self._bytes_max,
            "expires": int(PULL_EXPIRES_S * _NANOS),
            "idle_heartbeat": int(self._heartbeat_s * _NANOS),
        }
        assert self._subscription is not None, "a consumer is there"
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._names.stream}.{self._consumer}"
        request = wire.request_frame(subject, self._subscription.subject, json.dumps(body).encode())
        self._asked += count
        self._delivered_when_asked = self._delivered
        try:
            await self._connection.client.send(request)
        except Unavailable:
            self._is_broken = True

    async def _begin_again(self) -> None:
        now_s = asyncio.get_running_loop().time
        problem: Exception | None = None
        while True:
            if self._lost_at_s is None:
                self._lost_at_s, self._pause_s = now_s(), 0.0
            left_s = self._lost_at_s + self._deadline_s - now_s()
            if left_s <= 0:
                raise Unavailable(f"reading could not be begun again: {problem}") from problem
            await asyncio.sleep(min(self._pause_s, left_s))
            self._pause_s = min(max(self._pause_s * 2, _RETRY_FIRST_S), _RETRY_MAX_S)
            await self._connection.connected(left_s)
            try:
                await self._end()
                await self._begin(min(REQUEST_TIMEOUT_S, left_s))
            except (OutcomeUnknown, Unavailable, Rejected) as failed:
                # Servers that recover may say for a while that there is no such stream.
                if isinstance(failed, Rejected) and not self._has_begun:
                    raise
                problem = failed
            else:
                self._has_begun = True
                return

    async def _begin(self, timeout_s: float) -> None:
        client = self._connection.client
        if not self._connection.is_connected:
            raise Unavailable("not connected to a nats-server")
        self._rows.clear()
        self._asked = self._delivered = 0
        self._is_broken = False
        self._consumer = f"reader-{self._connection.unique()}"
        self._subscription = await client.subscribe_raw(client.new_inbox(), self._receive)
        config = {
            "name": self._consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.last_seq + 1,
            "ack_policy": "none",
            "filter_subject": self._subject,
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(PULL_EXPIRES_S * 2 * _NANOS),
        }
        verb = f"CONSUMER.CREATE.{self._names.stream}.{self._consumer}.{self._subject}"
        body = {"stream_name": self._names.stream, "config": config}
        await self._connection.api(verb, body, timeout_s=timeout_s)

    async def _end(self) -> None:
        """Forget the consumer; the server removes it in time if it does not hear of this."""
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        await self._connection.client.unsubscribe_raw(subscription)
        if self._connection.is_connected:
            verb = f"CONSUMER.DELETE.{self._names.stream}.{self._consumer}"
            try:
                await self._connection.api(verb, timeout_s=1.0)
            except (OutcomeUnknown, Unavailable, Rejected):
                return
