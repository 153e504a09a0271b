"""A service with a key: it says who it is in every subject, and comes back when it is let go."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from contracts.replies import Receipt
from contracts.usage import Usage
from services.callout import admission
from services.client import CannotVerify, GateClient, NotAllowed
from services.client.caller import credential
from services.client.connection import RECONNECT_WAIT_S, NotConnected
from services.client.patience import Patience
from services.failure import Failure
from services.identity.directory import Change
from tests.callout.world import SESSION, Caller, ana, callout, token

HASTE = Patience(deadline_s=2.0, attempt_s=0.5)


@asynccontextmanager
async def gate(bus, heard: list[str]):
    """Answers everything as the door of a worker does, and keeps where it was sent."""
    async with Caller.as_role(bus, "door") as door:

        async def answer(message) -> None:
            heard.append(message.subject.partition(".cmd.")[2])
            receipt = Receipt(200, "settled", "c", None, None)
            await message.respond(msgspec.json.encode(receipt))

        await door.bus.subscribe("shard.>", cb=answer)
        await door.settle()
        yield door


def client(bus, tenant="cantor", **who):
    return GateClient.connect(
        bus.url, tenant=tenant, connect_s=2.0, patience=HASTE, booking=HASTE, **who
    )


async def settle(asks: GateClient) -> int:
    return (await asks.settle("cantor.1", Usage(requests=1))).status


async def test_a_client_with_a_key_or_a_token_asks_as_itself(bus, directory_of_people):
    """Derived from what it was given: there is nothing to configure wrongly."""
    key, heard = directory_of_people.issue("calls"), []
    directory_of_people.roles["ana"] = {"cantor": "owner"}
    async with callout(bus, directory_of_people), gate(bus, heard):
        async with client(bus, key=key.text) as asks:
            assert asks.principal == f"key_{key.key_id}"
            assert await settle(asks) == 200
        async with client(bus, token=token(ana())) as asks:
            assert asks.principal == "person_ana"
            assert (await asks.top_up(1)).status == 200
        async with client(bus, user="client", password=bus.password("client")) as asks:
            assert await settle(asks) == 200

    assert heard == [
        f"cantor.budget.settle.key_{key.key_id}",
        "cantor.budget.top_up.person_ana",
        "cantor.budget.settle.operator",
    ]


async def test_another_twin_is_refused_at_once(bus, directory_of_people):
    """EV-02: immediately, all who wait, the same for a twin that does not exist; nobody hears."""
    key, heard = directory_of_people.issue("calls"), []
    async with (
        callout(bus, directory_of_people),
        gate(bus, heard),
        client(bus, "fernandez", key=key.text) as asks,
    ):
        began_s = asyncio.get_running_loop().time()
        for tenant in ("fernandez", "nobody-has-this"):
            calls = [asks.for_tenant(tenant).settle(f"{tenant}.1", Usage()) for _ in range(20)]
            for refused in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(refused, NotAllowed)
                assert refused.status == 403
        with pytest.raises(NotAllowed):
            await asks.for_tenant("cantor").top_up(1)
        assert asyncio.get_running_loop().time() - began_s < HASTE.attempt_s
        assert await settle(asks.for_tenant("cantor")) == 200
        assert [one.split(".")[0] for one in heard] == ["cantor"]


async def test_it_comes_back_when_its_hour_is_over(bus, directory_of_people, monkeypatch):
    """The library would close for good, and a service that runs for days would stop."""
    monkeypatch.setattr(admission, "LIFE_MIN_S", 1)
    monkeypatch.setattr(admission, "LIFE_MAX_S", 1)
    key = directory_of_people.issue("calls")
    again = asyncio.Event()
    async with (
        callout(bus, directory_of_people),
        gate(bus, []),
        client(bus, key=key.text) as asks,
    ):
        assert await settle(asks) == 200

        async def reconnected() -> None:
            again.set()

        asks._bus._reconnected_cb = reconnected
        async with asyncio.timeout(4):
            await again.wait()
        assert await settle(asks) == 200


async def test_each_time_a_new_token_is_asked_for(bus, directory_of_people):
    """A token is over long before a service is."""
    directory_of_people.roles["ana"] = {"cantor": "owner"}
    given: list[str] = []

    def renew() -> str:
        given.append(token(ana()))
        return given[-1]

    async with (
        callout(bus, directory_of_people),
        gate(bus, []),
        client(bus, token=renew) as asks,
    ):
        first = len(given)
        directory_of_people.tell(Change("session", SESSION))
        async with asyncio.timeout(5):
            while len(given) == first:
                assert (await asks.top_up(1)).status == 200
        assert (await asks.top_up(1)).status == 200


async def test_a_revoked_client_is_told_in_time(bus, directory_of_people):
    """Its calls end with an error and not in a wait for ever, and none reaches the gate."""
    key, heard = directory_of_people.issue("calls"), []
    async with (
        callout(bus, directory_of_people),
        gate(bus, heard),
        client(bus, key=key.text) as asks,
    ):
        assert await settle(asks) == 200
        lost = asyncio.Event()

        async def note() -> None:
            lost.set()

        asks._bus._disconnected_cb = note
        directory_of_people.revoke(key)
        async with asyncio.timeout(1):
            await lost.wait()
        with pytest.raises(CannotVerify):
            await asks.settle("cantor.2", Usage(requests=1))
        # It does not knock ten times a second for ever.
        assert asks._bus.options["reconnect_time_wait"] > RECONNECT_WAIT_S
    assert len(heard) == 1


async def test_a_refused_login_is_said_at_once(bus, directory_of_people):
    """Not after all the patience that is for servers that are away."""
    key = directory_of_people.issue("calls")
    directory_of_people.revoke(key)
    async with callout(bus, directory_of_people):
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(NotConnected, match=r"(?i)authorization") as caught:
            async with client(bus, key=key.text):
                pass
        assert asyncio.get_running_loop().time() - began_s < 1.0
    assert key.text not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"key": "hunter2hunter2"},
        {"token": "hunter2.hunter2.hunter2"},
        {"token": lambda: "hunter2"},
        {"key": "hunter2", "user": "client"},
    ],
)
def test_what_is_no_credential_is_found_before_connecting(given):
    """A key pasted in part is a mistake of a person, who reads the message."""
    with pytest.raises((Failure, ValueError)) as caught:
        credential(**given)
    assert "hunter2" not in str(caught.value)


def test_a_credential_is_not_shown(directory_of_people):
    """It stands in tracebacks otherwise."""
    key = directory_of_people.issue("calls")

    assert key.text not in repr(credential(key=key.text))
    assert credential(key=key.text).inbox_prefix == f"_INBOX.key_{key.key_id}"
    assert credential(user="client", password="x").inbox_prefix == "_INBOX_client"
    assert credential().inbox_prefix is None
