"""Sessions on a real worker: every command in both encodings, and ends that are heard of."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import pytest
import structlog
from typer.testing import CliRunner

from contracts.session import SessionsView
from services.cli import session as session_cli
from services.client import GateClient
from tests.gate.served import connected
from tests.gate.test_holds import ONE
from tests.rig.twins import PRICE_NANOS, provision_twin

HEARD_WITHIN_S = 10.0
# So long that an end can only have been pushed.
NEVER_AGAIN_S = 3_600.0


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """A command sets logging up for its process."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)


async def call(gate: GateClient, session_id: str):
    return await gate.authorize(
        modality="text", provider_id="p", sku="s", estimate=ONE, session_id=session_id
    )


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_every_command_and_question_is_served(served, encoding):
    """A verb whose subject or struct is misspelt would never be answered."""
    name = f"conversing-{encoding}"
    await provision_twin(served, name)
    async with connected(served) as bus:
        gate = GateClient(bus, name, encoding=encoding)
        said = [
            await gate.open_session("s-1", "text"),
            await gate.open_session("s-2", "text"),
            await gate.show_disclosure("s-1", 1),
            await gate.beat("s-1"),
            await gate.step("s-1", "voice", why="topped_up", notice="none"),
            await gate.step("s-1", "text", why="quota_exhausted", notice="written"),
        ]
        granted = await call(gate, "s-1")
        settled = await gate.settle(granted.reservation_id, ONE)
        (one, other, none) = (await gate.find_sessions(["s-1", "s-2", "s-3"])).sessions
        said += [
            await gate.close_session("s-1", "user_exit", note="¡adiós!"),
            await gate.kill_session("s-2", note="abusive"),
            await gate.open_session("s-4", "text"),
            await gate.kill_all_sessions(),
        ]
        left = await gate.show(SessionsView)

    assert [reply.code for reply in said] == [
        "session_begun", "session_begun", "disclosure_not_due", "session_renewed",
        "modality_not_allowed", "rung_is_so", "session_ended", "session_killed", "session_begun",
        "sessions_killed",
    ]  # fmt: skip
    assert (granted.status, settled.code) == (200, "settled")
    assert (one.committed_nanos, one.status, other.status) == (PRICE_NANOS, "open", "open")
    assert (none.status, left.total) == ("unknown", 0)


async def test_whoever_runs_a_session_hears_of_its_end_without_asking(served):
    """A kill, what ends with its twin, and that there is room again: pushed, over the real bus."""
    await provision_twin(served, "pushed")
    async with connected(served) as bus, connected(served) as others:
        runner, owner = GateClient(bus, "pushed"), GateClient(others, "pushed")
        for name in ("s-1", "s-2", "s-3"):
            await runner.open_session(name, "text", lease_ms=60_000)
        changes = runner.session_changes(lambda: ["s-1", "s-2"], again_s=NEVER_AGAIN_S)
        async with asyncio.timeout(HEARD_WITHIN_S), aclosing(changes):
            # However far it is by now: this one it hears of, or is answered.
            await owner.kill_session("s-1", note="abusive")
            heard = [await anext(changes)]
            await owner.kill_session("s-3")
            await owner.top_up(1_000)
            heard.append(await anext(changes))
            refused = await call(runner, "s-1")
            await owner.suspend()
            heard.append(await anext(changes))

    assert heard == [("s-1", "killed"), ("", ""), ("s-2", "twin_suspended")]
    assert (refused.status, refused.code) == (403, "session_closed")


async def test_the_command_line_shows_sessions_and_stops_them(served):
    """What an operator types when something goes wrong."""
    await provision_twin(served, "typed")

    def vito(*words: str):
        with logging_as_it_was():
            return CliRunner().invoke(session_cli.app, [*words], env=served.variables)

    async def typed(*words: str) -> str:
        done = await asyncio.to_thread(vito, *words)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    async with connected(served) as bus:
        gate = GateClient(bus, "typed")
        for name in ("s-1", "s-2", "s-3"):
            await gate.open_session(name, "text", lease_ms=300_000)
        listed = await typed("list", "typed")
        as_json = json.loads(await typed("list", "typed", "--json"))
        stopped = await typed("kill", "typed", "s-1", "--note", "abusive")
        ended = json.loads(await typed("show", "typed", "s-1"))
        all_stopped = await typed("kill-all", "typed")
        unknown = await asyncio.to_thread(vito, "show", "typed", "nobody")
        again = await asyncio.to_thread(vito, "kill", "typed", "s-1")

    assert "open sessions: 3" in listed
    assert [one["session_id"] for one in as_json["sessions"]] == ["s-1", "s-2", "s-3"]
    assert stopped.startswith("typed: s-1 stopped (position ")
    assert (ended["status"], ended["reason"]) == ("ended", "killed")
    assert all_stopped.startswith("typed: 2 sessions stopped")
    assert "has no session 'nobody'" in str(unknown.exception)
    assert "The session has ended" in str(again.exception)
