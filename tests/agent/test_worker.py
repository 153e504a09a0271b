"""`vito agent` as a process of its own: it takes a job, holds the conversation, and dies well."""

import asyncio

import pytest

from contracts.agent_job import AgentJob, agent_name
from services.agent.worker import server_for
from services.cli import agent
from services.distribution.invitation import invitation
from services.distribution.media_key import MediaKey
from services.secret import Secret
from services.settings import Settings
from services.variables import LOG_LEVELS
from tests.agent.talking import SHORT, talking, until
from tests.agent.visiting import ROOM, Visitor
from tests.rig.media_server import MediaServer


async def test_a_worker_holds_the_conversation_of_a_job(served):
    """Process, job, room, visitor, voice, books; what it does not understand it leaves."""
    async with talking(served, "wk-job") as twin, MediaServer() as server:
        served.variables |= {
            "VITO_LIVEKIT_URL": server.url,
            "VITO_LIVEKIT_KEY": server.key,
            "VITO_LIVEKIT_SECRET": server.secret,
            "VITO_SANDBOX_URL": twin.sandbox.url,
        }
        worker = await served.start("agent")
        name = agent_name("development")
        assert not await server.jobs.dispatch(ROOM, agent_name=name, metadata="{}")
        visitor = Visitor()
        job = AgentJob(
            tenant="wk-job", session_id="s-1", modality="voice", language="es", voice="v-1"
        )
        media = MediaKey(server.url, server.key, Secret(server.secret))
        token = invitation(media, job, room=ROOM, identity="ana", deployment="development")
        try:
            await visitor.join(server, token=token.reveal())
            await until(lambda: visitor.states)
            await visitor.write(SHORT)
            async with asyncio.timeout(20):
                await visitor.heard.wait()
        finally:
            await visitor.leave()
        async with asyncio.timeout(20):
            while True:
                if (await twin.session()).status == "ended":
                    break
                await asyncio.sleep(0.05)
        assert (await twin.session()).reason == "user_exit"
        assert await twin.settled() == twin.billed_nanos() > 0
        assert await worker.stop() == 0
    assert "devsecret" not in worker.said()


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    """And before it imports anything of it."""
    monkeypatch.setattr(agent, "find_spec", lambda _name: None)
    with pytest.raises(agent.ExtraMissing, match=r"pip install 'vito-twin\[livekit\]'"):
        agent.check_extra()


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_every_level_of_ours_is_one_of_the_library(level):
    """It has names of its own, and refuses others when the process starts."""
    variables = {"URL": "ws://127.0.0.1:1", "KEY": "devkey", "SECRET": "s" * 32}
    settings = Settings.from_env(
        {"VITO_LOG_LEVEL": level} | {f"VITO_LIVEKIT_{name}": one for name, one in variables.items()}
    )
    assert server_for(settings) is not None
