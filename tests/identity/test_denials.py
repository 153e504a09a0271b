"""Denials on their way into the log: in order, once, and bounded whoever knocks how often."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from contracts.account import PLATFORM
from services.client.errors import CannotVerify
from services.identity import denials
from services.identity.denials import WAITING_MAX, WAITING_PER_LOG_MAX, Denial, Denials
from tests.query_api.conftest import written  # noqa: F401 - a fixture

DENIAL = Denial(
    "cantor", "key_eve", "http", "budget", "show", "caller_unknown", 403, about="fernandez"
)


def about(number: int) -> Denial:
    return msgspec.structs.replace(DENIAL, about=f"twin-{number}")


class Gate:
    """Takes reports; *faults* are raised first, and it answers when it is *open*."""

    def __init__(self, *faults: Exception, status: int = 200) -> None:
        self.faults = list(faults)
        self.status = status
        self.told: list = []
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def tell(self, log, command) -> int:
        self.asked.append(command.command_id)
        await self.open.wait()
        if self.faults:
            raise self.faults.pop(0)
        self.told.append((log, command))
        return self.status if log != PLATFORM else 200


def silent() -> CannotVerify:
    return CannotVerify("cmd", "id", attempts=1, reason="no answer")


@asynccontextmanager
async def reporting(gate: Gate):
    made = Denials("http", gate.tell, again_s=0)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        await made.close(running)


async def test_what_is_noted_is_told(written):  # noqa: F811
    """Each field, to the log where it belongs."""
    gate = Gate()
    async with reporting(gate) as made:
        made.note(DENIAL)
        await made.written()

    ((log, command),) = gate.told
    assert log == "cantor"
    fields = msgspec.structs.asdict(DENIAL)
    del fields["log"], fields["id"]
    assert {name: getattr(command, name) for name in fields} == fields
    assert command.times == 1
    assert not written()


async def test_the_same_denial_is_counted_while_it_waits():
    """A client that knocks all the time makes one event of it, and none of it is lost."""
    gate = Gate()
    async with reporting(gate) as made:
        gate.open.clear()
        for _ in range(1_000):
            made.note(DENIAL)
            await asyncio.sleep(0)
        gate.open.set()
        await made.written()

    assert len(gate.told) <= 3
    assert sum(command.times for _, command in gate.told) == 1_000


async def test_one_log_cannot_take_the_room_of_others():
    """Who asks about thousands of twins is told apart by who and why, no more."""
    gate = Gate()
    async with reporting(gate) as made:
        gate.open.clear()
        for number in range(10_000):
            made.note(about(number))
        made.note(msgspec.structs.replace(DENIAL, log="other"))
        gate.open.set()
        await made.written()

    own = [command for log, command in gate.told if log == "cantor"]
    assert len(own) == WAITING_PER_LOG_MAX + 1
    assert sum(command.times for command in own) == 10_000
    assert [command.about for command in own].count(None) == 1
    assert [log for log, _ in gate.told].count("other") == 1


async def test_what_does_not_fit_is_in_the_doors_own_log(written):  # noqa: F811
    """Memory is bounded, and nothing disappears."""
    gate = Gate()
    async with reporting(gate) as made:
        gate.open.clear()
        for number in range(WAITING_MAX + 5):
            made.note(msgspec.structs.replace(DENIAL, log=f"twin-{number}"))
        assert len(made._waiting) == WAITING_MAX
        gate.open.set()
        await made.written()

    lost = [line for line in written() if line["event"] == "denial_not_recorded"]
    assert len(lost) == 5
    assert (lost[0]["principal"], lost[0]["code"]) == ("key_eve", "caller_unknown")


async def test_a_silent_gate_is_asked_again_with_the_same_id():
    """So a report whose answer was lost is not written twice."""
    gate = Gate(silent(), silent())
    async with reporting(gate) as made:
        made.note(DENIAL)
        await made.written()

    assert len(gate.asked) == 3
    assert len(set(gate.asked)) == 1
    assert len(gate.told) == 1


@pytest.mark.parametrize("fault", [silent(), RuntimeError("a bug")])
async def test_what_nobody_takes_is_in_the_doors_own_log(written, fault, monkeypatch):  # noqa: F811
    """And the next one is reported all the same."""
    monkeypatch.setattr(denials, "ATTEMPTS_MAX", 1)
    gate = Gate(fault)
    async with reporting(gate) as made:
        made.note(DENIAL)
        await made.written()
        made.note(about(1))
        await made.written()

    (lost,) = [line for line in written() if line["event"] == "denial_not_recorded"]
    assert lost["about"] == "fernandez"
    assert [command.about for _, command in gate.told] == ["twin-1"]


@pytest.mark.parametrize("status", [404, 410])
async def test_where_there_is_no_such_twin_it_goes_to_the_platform(status):
    """Only who runs the platform asks about any name at all."""
    gate = Gate(status=status)
    async with reporting(gate) as made:
        made.note(msgspec.structs.replace(DENIAL, log="nobody", about=""))
        await made.written()

    assert [(log, command.about) for log, command in gate.told] == [
        ("nobody", None),
        (PLATFORM, "nobody"),
    ]


async def test_a_door_that_closes_says_what_it_could_not_report(written, monkeypatch):  # noqa: F811
    """It does not wait for ever for a gate that is away."""
    monkeypatch.setattr(denials, "LAST_WORDS_S", 0.01)
    gate = Gate()
    async with reporting(gate) as made:
        gate.open.clear()
        made.note(DENIAL)
        await asyncio.sleep(0)
        made.note(about(1))

    assert {line["about"] for line in written()} == {"twin-1", "fernandez"}
