"""A twin in text: the real agents library, no room, every call of a vendor behind the gate."""

import asyncio

import pytest
from livekit.agents import Agent

from contracts.topics import Topic
from contracts.views import TopicsView
from services.agent.twin_session import NotHeld
from services.embedded import polling
from services.live.words import say
from services.sandbox.faults import Fault
from tests.agent.places import deployed
from tests.agent.talking import BOOK, PaperStage, rules, said, talking, until


async def test_a_turn_is_answered_by_the_persona_and_booked_to_the_nano(served):
    """The shortest way through everything."""
    async with talking(served, "tx-turn") as twin:
        held = await twin.open()
        (answer,) = said(await held.session.run(user_input="hola"))
        assert "Andrés Cantor" in answer
        assert twin.calls() == 1
        assert await twin.settled() == twin.billed_nanos() == held.ladder.cost_nanos > 0
        await held.aclose("user_exit")
        session = await twin.session()
        assert (session.status, session.reason) == ("ended", "user_exit")


async def test_live_data_is_a_tool_and_its_call_is_metered(served):
    """The score comes from SportRadar's sandbox, under the twin's own key."""
    async with talking(served, "tx-tool") as twin:
        held = await twin.open()
        result = await held.session.run(user_input="¿Cómo va el partido?")
        result.expect.next_event().is_function_call(name="football_matches")
        assert said(result)
        assert twin.calls("sportradar") == 1
        assert twin.calls() == 2
        assert await twin.settled() == twin.billed_nanos()


async def test_at_the_hard_limit_the_twin_sleeps_and_the_session_ends(served):
    """It says so itself; no vendor is called, and the library counts no error."""
    async with talking(served, "tx-asleep", limit_nanos=1_000) as twin:
        held = await twin.open()
        errors = []
        held.session.on("error", errors.append)
        assert said(await held.session.run(user_input="hola")) == [say("asleep", "es")]
        async with asyncio.timeout(10):
            await held.wait()
        session = await twin.session()
        assert (session.status, session.reason) == ("ended", "twin_asleep")
        assert twin.calls() == 0
        assert errors == []


async def test_denials_never_count_as_errors_of_the_library(served):
    """It closes a session after four errors; one that is refused five times goes on."""
    async with talking(served, "tx-errors") as twin:
        held = await twin.open()
        twin.sandbox.faults.add(Fault(vendor="openai", kind="status", status=401))
        for _ in range(6):
            assert said(await held.session.run(user_input="hola")) == [say("vendor", "es")]
        twin.sandbox.faults.clear()
        assert "Andrés" in said(await held.session.run(user_input="hola"))[0]
        assert await twin.settled() == twin.billed_nanos()


async def test_each_retry_has_a_grant_of_its_own(served):
    """A call that failed is booked as what it cost; the next one is asked for anew."""
    async with talking(served, "tx-retry") as twin:
        held = await twin.open()
        twin.sandbox.faults.add(Fault(vendor="openai", kind="status", status=500, times=1))
        assert "Andrés" in said(await held.session.run(user_input="hola"))[0]
        assert twin.calls() == 2
        assert await twin.settled() == twin.billed_nanos()
        # Whoever wonders why the library did not: it is told to try once.
        assert held.session.llm.chat(chat_ctx=held.agent.chat_ctx)._conn_options.max_retry == 0


@pytest.mark.parametrize("question", ["¿En qué CASA de apuestas?"])
async def test_a_prohibited_question_reaches_no_vendor(served, question):
    """It is answered by the twin itself, politely."""
    async with talking(served, "tx-topic") as twin:
        topic = Topic(name="Apuestas", phrases=["casa de apuestas"])
        assert (await twin.gate.set_topics([topic], expected_version=1)).status == 200
        held = await twin.open()
        assert said(await held.session.run(user_input=question)) == [say("prohibited", "es")]
        assert twin.calls() == 0


async def test_a_prohibited_answer_is_never_said_also_with_a_topic_set_meanwhile(served):
    """The bundle that was pushed is what counts from the next turn on; the call is ended there."""
    async with talking(served, "tx-output") as twin:
        held = await twin.open()
        topic = Topic(name="Small talk", phrases=["like to talk about"])
        assert (await twin.gate.set_topics([topic], expected_version=1)).status == 200
        await until(lambda: [one.name for one in held._talk.topics] == ["Small talk"])
        # Whoever changed it sees by what the session goes from here on.
        await polling.until(lambda: goes_by_the_topics(twin), every_s=0.01, timeout_s=10)
        (answer,) = said(await held.session.run(user_input="hola"))
        assert answer.endswith(say("prohibited", "es"))
        assert "talk about" not in answer
        assert await twin.settled() >= twin.billed_nanos() > 0


async def goes_by_the_topics(twin):
    shown = await twin.gate.show(TopicsView)
    return (await twin.session()).bundle_revision >= shown.active_decision > 0


async def test_a_turn_that_is_broken_off_is_booked_and_never_below_the_bill(served):
    """The library reports nothing of it; our own count does."""
    async with talking(served, "tx-cut") as twin:
        held = await twin.open()
        slow = Fault(vendor="openai", kind="slow", delay_ms=60_000, after_chunks=6)
        twin.sandbox.faults.add(slow)
        running = held.session.run(user_input="hola")
        await until(lambda: twin.sandbox.clock._sleepers)
        await held.session.interrupt(force=True)
        await running
        twin.sandbox.clock.advance_ms(120_000)
        assert await twin.settled() >= twin.billed_nanos() > 0


async def test_another_agent_that_takes_over_is_metered_as_well(served):
    """The grants are in the components, and not in the nodes that it overrides."""

    class Stranger(Agent):
        async def llm_node(self, chat_ctx, tools, model_settings):
            async for chunk in Agent.default.llm_node(self, chat_ctx, tools, model_settings):
                yield chunk

    async with talking(served, "tx-stranger") as twin:
        held = await twin.open()
        held.session.update_agent(Stranger(instructions="Say anything."))
        assert said(await held.session.run(user_input="hola"))
        assert await twin.settled() == twin.billed_nanos() > 0


async def test_no_call_is_granted_before_the_disclosure_was_shown(served):
    """Who cannot show it holds no conversation; the session is ended."""
    async with talking(served, "tx-disclose") as twin:
        await deployed(twin)
        unread = PaperStage(reads=False)
        with pytest.raises(NotHeld, match="disclosure_not_shown"):
            await twin.open(unread, deployment="web")
        assert (await twin.session()).status == "ended"
        assert unread.hung_up

        stage = PaperStage()
        held = await twin.open(stage, session_id="s-2", deployment="web")
        assert [one.text for one in stage.disclosed] == ["Hablas con una IA."]
        assert said(await held.session.run(user_input="hola"))
        assert (await twin.session("s-2")).disclosed_at_us


async def test_a_killed_session_ends_in_the_middle_of_an_answer(served):
    """Whoever runs it is told at once; what was on its way is booked."""
    async with talking(served, "tx-kill") as twin:
        stage = PaperStage()
        held = await twin.open(stage)
        twin.sandbox.faults.add(
            Fault(vendor="openai", kind="slow", delay_ms=60_000, after_chunks=6)
        )
        running = held.session.run(user_input="hola")
        await until(lambda: twin.sandbox.clock._sleepers)
        assert (await twin.gate.kill_session("s-1")).status == 200
        # By the push: the heart beats each ten seconds.
        async with asyncio.timeout(3):
            await held.wait()
        await asyncio.gather(running, return_exceptions=True)
        assert stage.hung_up
        assert (await twin.session()).reason == "killed"
        twin.sandbox.clock.advance_ms(120_000)
        assert await twin.settled() >= twin.billed_nanos()


async def test_a_twin_without_a_prompt_holds_no_conversation(served):
    """Nothing is opened for it."""
    async with talking(served, "tx-prompt") as twin, served.client("tx-silent") as gate:
        await gate.provision(
            display_name="A twin",
            organisation="Tests",
            policy=rules(),
            price_book=BOOK,
            activation="immediate",
        )
        twin.gate = gate
        with pytest.raises(NotHeld, match="not_briefed"):
            await twin.open()
        assert (await twin.session()).status == "unknown"
