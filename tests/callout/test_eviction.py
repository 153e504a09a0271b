"""Chasing connections: through long lists, in few questions, whatever the servers answer."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

from services.callout import eviction
from services.callout.connection_name import ConnectionName
from services.callout.eviction import PAGE, Evictor
from services.embedded.nats_config import ACCOUNT
from services.identity.directory import Change


class Servers:
    """Answer like nats-servers with so many connections."""

    def __init__(self, connections: dict[str, list[str]]) -> None:
        self.connections = connections
        self.asked: list[dict] = []
        self.kicked: set[tuple[str, int]] = set()
        self.heard = asyncio.Event()
        self.extra: list[bytes] = []

    def new_inbox(self) -> str:
        return "_INBOX_callout.x"

    async def subscribe(self, subject: str, *, cb) -> None:
        assert subject == "_INBOX_callout.x.*"
        self._cb = cb

    async def publish(self, subject: str, payload: bytes, reply: str) -> None:
        wanted = json.loads(payload)
        assert reply
        if subject.endswith(".KICK"):
            self.kicked.add((subject.split(".")[3], wanted["cid"]))
            self.heard.set()
            return
        assert subject == "$SYS.REQ.SERVER.PING.CONNZ"
        self.asked.append(wanted)
        for name, users in self.connections.items():
            if wanted.get("server_name") in {None, name}:
                await self._answer(name, users, wanted, reply)
        for data in self.extra:
            await self._cb(SimpleNamespace(subject=reply, data=data))
        self.heard.set()

    async def _answer(self, name: str, users: list[str], wanted: dict, reply: str) -> None:
        offset = wanted.get("offset", 0)
        page = users[offset : offset + wanted["limit"]]
        found = [
            {"cid": offset + number, "authorized_user": user} for number, user in enumerate(page)
        ]
        data = {"num_connections": len(page), "offset": offset, "connections": found}
        answer = {"server": {"id": f"N{name}", "name": name}, "data": data}
        await self._cb(SimpleNamespace(subject=reply, data=json.dumps(answer).encode()))


async def evicted(servers: Servers, *changes: Change, until, standing: bool = True) -> None:
    async def stands(_name: ConnectionName) -> bool:
        return standing

    evictor = Evictor(servers, stands)
    await evictor.start()
    for change in changes:
        evictor.note(change)
    running = asyncio.create_task(evictor.run())
    async with asyncio.timeout(5):
        while not until():
            servers.heard.clear()
            await servers.heard.wait()
    running.cancel()


async def test_a_list_of_many_pages_is_read_to_its_end():
    """The one that is looked for stands on the last page of one of two servers."""
    many = [f"key_k{number}@cantor" for number in range(2 * PAGE + 7)]
    servers = Servers({"a": [*many, "key_bad@cantor"], "b": ["key_bad@cantor", "worker"]})

    await evicted(servers, Change("key", "bad", "cantor"), until=lambda: len(servers.kicked) == 2)

    assert servers.kicked == {("Na", 2 * PAGE + 7), ("Nb", 0)}
    for wanted in servers.asked:
        assert wanted["acc"] == ACCOUNT
        assert wanted["auth"] is True
    assert {wanted.get("server_name") for wanted in servers.asked} == {None, "a"}


async def test_a_thousand_changes_at_once_are_one_question():
    """A removed organisation must not stop the servers with questions."""
    servers = Servers({"a": [f"key_k{number}@cantor" for number in range(1_000)]})
    changes = [Change("key", f"k{number}", "cantor") for number in range(1_000)]

    await evicted(servers, *changes, until=lambda: len(servers.kicked) == 1_000)

    assert len(servers.asked) <= 2


async def test_an_answer_that_cannot_be_read_stops_nothing():
    """One server of another version must not keep the others' connections open."""
    servers = Servers({"a": ["key_bad@cantor", "not ours", "worker", ""]})
    servers.extra = [b"", b"{}", b'{"server": {"id": "x", "name": "y"}}', b"\xff"]

    await evicted(servers, Change("key", "bad", "cantor"), until=lambda: servers.kicked)

    assert servers.kicked == {("Na", 0)}


async def test_everybody_is_looked_up_without_being_told(monkeypatch):
    """At the start, and again and again, for a server that could not be reached then."""
    servers = Servers({"a": ["key_k1@cantor", "worker", "client"]})
    monkeypatch.setattr(eviction, "AUDIT_EVERY_S", 0.05)

    await evicted(servers, until=lambda: len(servers.asked) >= 3, standing=False)

    assert servers.kicked == {("Na", 0)}
