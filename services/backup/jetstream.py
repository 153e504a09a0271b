"""
A stream's bytes out of a nats-server and into one: STREAM.SNAPSHOT and STREAM.RESTORE.

Out: the server sends chunks and waits for our acknowledgements, a window of them at a time; an
empty message ends them, with a status if something went wrong. In: each chunk is a request, and
the empty one that ends them is answered when the stream is there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from services.backup.archive import CHUNK_BYTES
from services.failure import Failure

WINDOW_BYTES = 4 * 1024 * 1024
# Before the first byte the server reads the whole stream, to check every message's checksum.
CHECK_TIMEOUT_S = 600.0
CHUNK_TIMEOUT_S = 30.0
_END_OK = "204"
_STREAM_NOT_FOUND = 10059


class StreamCopyFailed(Failure):
    """A stream could not be copied, out of the server or into it."""


class Outgoing:
    """
    One stream on its way out; *config* and *state* describe what chunks() will yield.

    The copy is of one moment: what is appended meanwhile is not in it.
    """

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self.config: dict[str, Any] = {}
        self.state: dict[str, Any] = {}

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes; raises StreamCopyFailed unless they are all."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        try:
            await self._begin(inbox)
            while True:
                message = await self._next(subscription)
                if not message.data:
                    self._check_end(message)
                    return
                yield message.data
                if message.reply:
                    await self._client.publish(message.reply)
        finally:
            await subscription.unsubscribe()

    async def _begin(self, inbox: str) -> None:
        wanted = {
            "deliver_subject": inbox,
            "no_consumers": True,
            "chunk_size": CHUNK_BYTES,
            "window_size": WINDOW_BYTES,
            "jsck": True,
        }
        answer = await _ask(
            self._client, f"$JS.API.STREAM.SNAPSHOT.{self._stream}", wanted, CHECK_TIMEOUT_S
        )
        self.config, self.state = answer["config"], answer["state"]

    async def _next(self, subscription: Any) -> Msg:
        try:
            message: Msg = await subscription.next_msg(timeout=CHUNK_TIMEOUT_S)
        except (NatsError, TimeoutError):
            raise self._failed("the server fell silent") from None
        return message

    def _check_end(self, message: Msg) -> None:
        headers = message.headers or {}
        if headers.get("Status", _END_OK) != _END_OK:
            raise self._failed(f"{headers.get('Status')} {headers.get('Description', '')}".strip())

    def _failed(self, why: str) -> StreamCopyFailed:
        return StreamCopyFailed(
            f"Stream {self._stream} was not copied: {why}.", "run the backup again."
        )


async def check_absent(client: Client, name: str) -> None:
    """Raises StreamCopyFailed if there is a stream of this name."""
    answer = await client.request(f"$JS.API.STREAM.INFO.{name}", timeout=CHUNK_TIMEOUT_S)
    if json.loads(answer.data).get("error", {}).get("err_code") != _STREAM_NOT_FOUND:
        raise StreamCopyFailed(
            f"Stream {name} exists, and a restore replaces nothing.",
            "restore into servers with an empty store_dir.",
        )


async def restore(
    client: Client,
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    chunks: Iterable[bytes],
) -> None:
    """
    Make the stream that *config* names, with everything in it.

    Raises StreamCopyFailed; a stream of this name must not exist, and does not after a failure.
    """
    name = config["name"]
    answer = await _ask(
        client,
        f"$JS.API.STREAM.RESTORE.{name}",
        {"config": config, "state": state},
        CHUNK_TIMEOUT_S,
    )
    for chunk in chunks:
        await _send(client, answer["deliver_subject"], name, chunk, CHUNK_TIMEOUT_S)
    await _send(client, answer["deliver_subject"], name, b"", CHECK_TIMEOUT_S)
    found = await _ask(client, f"$JS.API.STREAM.INFO.{name}", {}, CHUNK_TIMEOUT_S)
    for what in ("messages", "last_seq"):
        if found["state"].get(what) != state.get(what):
            raise StreamCopyFailed(
                f"Stream {name} has {what} {found['state'].get(what)} after the restore, and had"
                f" {state.get(what)} when it was copied.",
                "do not start workers; restore another backup into empty servers.",
            )


async def _send(client: Client, subject: str, name: str, chunk: bytes, timeout_s: float) -> None:
    try:
        answer = await client.request(subject, chunk, timeout=timeout_s)
    except (NatsError, TimeoutError) as error:
        raise _refused(name, f"no answer ({type(error).__name__})") from None
    if answer.data:
        _checked(json.loads(answer.data), name)


async def _ask(
    client: Client, subject: str, body: Mapping[str, Any], timeout_s: float
) -> dict[str, Any]:
    name = subject.rpartition(".")[2]
    try:
        answer = await client.request(subject, json.dumps(body).encode(), timeout=timeout_s)
    except (NatsError, TimeoutError) as error:
        raise _refused(name, f"no answer ({type(error).__name__})") from None
    return _checked(json.loads(answer.data), name)


def _checked(answer: dict[str, Any], name: str) -> dict[str, Any]:
    if "error" in answer:
        raise _refused(name, str(answer["error"].get("description")))
    return answer


def _refused(name: str, why: str) -> StreamCopyFailed:
    return StreamCopyFailed(
        f"Stream {name}: {why}.", "look into the server's log, then run it again."
    )
