"""A conversation over a real socket: what is said, what it costs, and how it ends."""

from __future__ import annotations

import asyncio

from contracts.budget import CallAuthorized
from contracts.deployment import ChangeDeployment, DeploymentTerms
from contracts.policy import RatePolicy
from contracts.prompt import Variable
from contracts.stream import AudioPiece, Notice, Refused, TextPiece, Throttled, TurnEnded
from contracts.topics import Topic
from contracts.views import TopicsView
from services.client.sender import new_id
from services.embedded import polling
from services.sandbox.faults import Fault
from tests.live.talking import texts, until
from tests.rig.checking import read_log

PHRASE = "Sos relator. Decí ¡Vamos {{team}} con {{goals}} goles, {{is_fan}}!"


async def test_a_visitor_is_answered_and_every_call_is_booked(twin):
    """
    Goal: what the vendors bill is what the gate has booked, to the nano, and nothing is held.
    Method: two turns by voice over the socket of a page; the sandbox's bill at the twin's prices.
    """
    page = await twin.visitor(modality="voice", language="es-AR")

    first = await page.turn("Hola")
    second = await page.turn("¿Qué opinás del clásico?", turn="t2")

    assert first[-1].outcome == second[-1].outcome == "done"
    assert "clásico" in texts(second)
    assert sum(len(one.pcm) for one in first if isinstance(one, AudioPiece)) > 1_000
    assert first[-1].cost_nanos is None, "a visitor sees no money"
    assert await twin.settled() == twin.billed_nanos() > 0
    found = await twin.found(page)
    assert (found.on_behalf, found.deployment) == (f"visitor_{page.welcome.session_id}", "web")
    assert found.committed_nanos == twin.billed_nanos()


async def test_a_service_sees_what_its_conversation_costs(twin):
    """
    Goal: whoever pays sees the cost of the session after each turn.
    Method: a key's conversation in text; the cost told is what the vendors bill.
    """
    service = await twin.service()

    heard = await service.turn("Hola")

    assert heard[-1].cost_nanos == twin.billed_nanos() > 0
    await service.say("bye")
    await service.ended()


async def test_what_is_prohibited_is_not_asked_of_any_vendor(twin):
    """
    Goal: a prohibited question costs nothing and gets a polite refusal in the twin's language.
    Method: the question has the phrase; the vendor's calls are counted.
    """
    page = await twin.visitor(language="es-AR")

    heard = await page.turn("¿En qué casa de apuestas juego?")

    assert texts(heard) == "De eso no puedo hablar. ¿Hay algo más?"
    assert twin.calls() == 0


async def test_what_is_prohibited_is_never_shown(twin):
    """
    Goal: a model that says what it must not is cut off before anybody reads it, and booked.
    Method: topics that are set during the conversation hit what the scripted model answers.
    """
    page = await twin.visitor(language="es-AR")
    await page.turn("Hola")
    revision = (await twin.found(page)).bundle_revision
    topic = Topic(name="Calma", phrases=["step by step", "the details", "a calm look"])
    await twin.gate.set_topics([topic], expected_version=1)
    kept = next(iter(twin.engine._twins.values())).beginning.result()
    await until(lambda: kept.revision > revision)

    heard = await page.turn("¿Y el mundial?", turn="t2")

    said = texts(heard)
    assert said.endswith("De eso no puedo hablar. ¿Hay algo más?")
    assert not any(phrase in said for phrase in topic.phrases)
    assert await twin.settled() >= twin.billed_nanos()
    assert (await twin.found(page)).bundle_revision > revision, "the log says what governed it"


async def test_what_governs_it_next_is_said_before_it_speaks(twin):
    """
    Goal: whoever changes the twin sees when all conversations go by it, also the silent ones.
    Method: topics are set while nobody speaks, and again while an answer is being given.
    """
    page = await twin.visitor(language="es-AR")
    await page.turn("Hola")

    async def goes_by(version):
        await twin.gate.set_topics(
            [Topic(name="Calma", phrases=[f"step {version}"])], expected_version=version - 1
        )
        decision = (await twin.gate.show(TopicsView)).active_decision
        await polling.until(lambda: _at(twin, page, decision), every_s=0.01, timeout_s=10)

    await goes_by(2)
    answering = asyncio.create_task(page.turn("¿Y el mundial?", turn="t2"))
    await goes_by(3)
    assert (await answering)[-1].outcome == "done"


async def _at(twin, page, decision):
    return (await twin.found(page)).bundle_revision >= decision


async def test_live_data_is_looked_up_with_a_grant(twin):
    """
    Goal: a tool that the model asks for is a metered call of the same session.
    Method: the score is asked; one call of live data is billed and booked.
    """
    page = await twin.visitor(language="es-AR")

    heard = await page.turn("¿Cómo va el partido?")

    assert heard[-1].outcome == "done"
    assert twin.calls("sportradar") == 1
    assert twin.calls() == 2
    assert await twin.settled() == twin.billed_nanos()


async def test_a_vendor_that_is_down_is_an_honest_sentence(twin):
    """
    Goal: the conversation goes on after a vendor has failed, with closed books.
    Method: the model answers 500 once; then it is well again.
    """
    page = await twin.visitor(language="es-AR")
    twin.sandbox.faults.add(Fault(vendor="openai", kind="status", status=500, times=1))

    heard = await page.turn("Hola")
    again = await page.turn("Hola", turn="t2")

    assert (heard[-1].outcome, again[-1].outcome) == ("failed", "done")
    assert texts(heard) == "No pude terminar mi respuesta. Pregúntame otra vez, por favor."
    assert await twin.settled() >= twin.billed_nanos()


async def test_an_interruption_stops_model_and_voice(twin):
    """
    Goal: what is interrupted ends at the vendors, is booked, and the next turn is answered.
    Method: the model hangs after three pieces (the vendors' clock stands still); then `interrupt`.
    """
    page = await twin.visitor(modality="voice", language="es-AR")
    slow = Fault(vendor="openai", kind="slow", delay_ms=60_000, after_chunks=3, times=1)
    twin.sandbox.faults.add(slow)
    await page.say("text", id="t1", text="Hola")
    await until(lambda: twin.calls() or list(twin.sandbox.ledger.calls("openai")))

    await page.say("interrupt")
    heard = await page.hear_until(TurnEnded)
    again = await page.turn("Hola", turn="t2")

    assert (heard[-1].outcome, again[-1].outcome) == ("interrupted", "done")
    assert await twin.settled() >= twin.billed_nanos() > 0


async def test_throttled_is_told_and_waited_for(new_twin):
    """
    Goal: who comes too early is told how long it takes, and answered, not refused.
    Method: one call in 300 ms is let through; the second turn comes at once.
    """
    rate = RatePolicy(
        requests=1, period_ms=300, burst=1, overflow="queue", queue_max_delay_ms=5_000
    )
    async with new_twin(rate=rate) as twin:
        page = await twin.visitor(language="es-AR")
        await page.turn("Hola")

        heard = await page.turn("Hola", turn="t2")

        (throttled,) = [one for one in heard if isinstance(one, Throttled)]
        assert 0 < throttled.delay_ms <= 300
        assert heard.index(throttled) < heard.index(
            next(one for one in heard if isinstance(one, TextPiece))
        )
        assert heard[-1].outcome == "done"


async def test_every_wait_of_a_turn_is_told_before_it(new_twin, served):
    """
    Goal: who waits hears for how long, also for what is looked up and for each sentence that is
    spoken; the waits are the gate's own.
    Method: one call in 200 ms; a question that needs live data, by voice. What the client was told
    is what the log has, wait by wait.
    """
    rate = RatePolicy(
        requests=1, period_ms=200, burst=1, overflow="queue", queue_max_delay_ms=5_000
    )
    async with new_twin(rate=rate) as twin:
        page = await twin.visitor(modality="voice", language="es-AR")
        heard = await page.turn("¿Cómo va el partido?")

        waits = [one for one in heard if isinstance(one, Throttled)]
        logged = await read_log(served, twin.tenant)
        granted = [one for one in logged.events if isinstance(one, CallAuthorized)]
        delayed = [one for one in granted if one.delay_us]
        assert {one.modality for one in delayed} >= {"data", "text", "voice"}
        assert [one.delay_ms for one in waits] == [-(-one.delay_us // 1_000) for one in delayed]
        assert {one.turn for one in waits} == {"t1"}
        first_words = next(one for one in heard if isinstance(one, TextPiece))
        assert heard.index(waits[0]) < heard.index(waits[1]) < heard.index(first_words)


async def test_a_page_fills_the_variables_of_the_prompt(twin):
    """
    Goal: what the page says of its visitor is in the prompt: of declared variables only, as they
    were declared; nothing in a value is read as a variable again.
    Method: a prompt with three variables, whose phrase the model repeats; values as a page spells
    them, one too many; then one that is too long, and one of a wrong type.
    """
    variables = [
        Variable(name="team", required=True, max_length=20),
        Variable(name="goals", type="integer", default=0),
        Variable(name="is_fan", type="boolean", default=False),
    ]
    await twin.gate.save_prompt(PHRASE, expected_version=1, variables=variables)
    assert (await twin.gate.activate_prompt(2)).status == 200
    values = {"team": "Boca {{goals}}", "goals": "3", "is_fan": "true", "other": "x"}
    page = await twin.visitor(language="es-AR", values=values)

    assert "¡Vamos Boca {{goals}} con 3 goles, true!" in texts(await page.turn("Hola"))
    too_long = await _not_welcome(twin, values | {"team": "B" * 21})
    none_at_all = await _not_welcome(twin, {"goals": "tres"})
    assert (too_long.status, too_long.code) == (422, "values_refused")
    assert [one.field for one in too_long.errors] == ["values.team"]
    assert "at most 20 characters" in too_long.errors[0].rule
    assert [one.field for one in none_at_all.errors] == ["values.team", "values.goals"]


async def _not_welcome(twin, values):
    talker = await twin.knocks()
    await talker.say("hello", values=values)
    return await talker.ended()


async def test_at_the_hard_limit_the_twin_sleeps(new_twin):
    """
    Goal: without money the twin says that it sleeps, no vendor is called, the session is closed.
    Method: a limit of a thousandth of a cent.
    """
    async with new_twin(limit_nanos=10_000) as twin:
        page = await twin.visitor(language="es-AR")
        await page.say("text", id="t1", text="Hola")

        heard = await page.hear_until(TurnEnded)
        problem = await page.ended()

        (notice,) = [one for one in heard if isinstance(one, Notice)]
        assert notice.message.startswith("Twin is sleeping")
        assert heard[-1].outcome == "refused"
        assert (problem.status, problem.code) == (402, "monthly_hard_limit_reached")
        assert problem.remedy
        assert twin.calls() == 0
        found = await twin.found(page)
        assert (found.status, found.reason) == ("ended", "twin_asleep")


async def test_a_killed_session_stops_at_once(twin):
    """
    Goal: the kill switch ends the conversation, in the middle of a turn, with closed books.
    Method: the model hangs; the session is killed at the gate; the socket closes with the reason.
    """
    page = await twin.visitor(modality="voice", language="es-AR")
    slow = Fault(vendor="openai", kind="slow", delay_ms=60_000, after_chunks=3, times=1)
    twin.sandbox.faults.add(slow)
    await page.say("text", id="t1", text="Hola")
    await until(lambda: list(twin.sandbox.ledger.calls("openai")))

    await twin.gate.kill_session(page.welcome.session_id, note="abusive")
    problem = await page.ended()

    assert (problem.status, problem.code) == (403, "session_closed")
    assert "killed" in problem.detail
    assert await twin.settled() >= twin.billed_nanos()
    await until(lambda: not len(twin.engine))


async def test_a_page_that_is_taken_off_the_list_is_refused(twin):
    """
    Goal: the engine's own credentials open nothing that the visitor's would not.
    Method: the deployment's origins change in the middle of a conversation.
    """
    page = await twin.visitor(language="es-AR")
    await page.turn("Hola")
    terms = DeploymentTerms(
        surface="web_widget", ceiling="video", origins=["https://other.example"]
    )
    changed = ChangeDeployment(command_id=new_id(), deployment="web", terms=terms)
    assert (await twin.gate.tell(changed)).status == 200
    before = twin.calls()

    heard = await page.turn("Hola", turn="t2")

    (refused,) = [one for one in heard if isinstance(one, Refused)]
    assert refused.problem.code == "origin_not_allowed"
    assert twin.calls() == before


async def test_leaving_closes_the_session_and_forgets_the_twin(twin):
    """
    Goal: nothing is kept of a twin that nobody talks with.
    Method: `bye`; then the session at the gate and the engine's twins.
    """
    page = await twin.visitor(language="es-AR")
    await page.turn("Hola")
    await page.say("bye")
    await page.ended()

    await until(lambda: not len(twin.engine))
    found = await twin.found(page)
    assert (found.status, found.reason) == ("ended", "user_exit")
