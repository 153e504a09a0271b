"""Speaking to a twin over a real socket: understood, answered, and booked like everything else."""

from __future__ import annotations

from contracts.policy import Quotas
from contracts.stream import AudioPiece, Refused, TextPiece, TurnEnded, Understood
from services.sandbox.voice import say
from tests.live.talking import texts

# What a client sends at once: a second of audio.
PIECE = 32_000


async def spoken(talker, pcm, turn="t1"):
    """What is heard of the turn that somebody speaks."""
    for at in range(0, len(pcm), PIECE):
        await talker.speak(pcm[at : at + PIECE])
    await talker.say("audio_end", id=turn)
    return await answered(talker)


async def answered(talker):
    """The messages of a turn, each acknowledged as it comes: a voice is more than the window."""
    heard = []
    while not (heard and isinstance(heard[-1], TurnEnded)):
        heard.append(await talker.hear())
        await talker.say("acknowledge", position=heard[-1].position)
    return heard


async def test_a_spoken_question_is_answered_and_every_call_is_booked(twin):
    """
    Goal: audio in, text and audio out; what three vendors bill is what is booked, nothing is held.
    Method: the sandbox's voice asks, over the socket of a page, a second at once.
    """
    page = await twin.visitor(modality="voice")

    heard = await spoken(page, say("¿Qué opinás del clásico?", "visitor", 16_000))

    assert heard[-1].outcome == "done"
    (understood,) = [one for one in heard if isinstance(one, Understood)]
    assert (understood.turn, understood.text, understood.final) == (
        "t1",
        "¿Qué opinás del clásico?",
        True,
    )
    assert heard.index(understood) == 0, "before it is answered"
    assert page.welcome.listens
    assert "clásico" in texts(heard).lower()
    assert any(isinstance(one, AudioPiece) for one in heard)
    assert await twin.settled() == twin.billed_nanos() > 0
    assert twin.calls("deepgram") == twin.calls("openai") == 1
    assert (await twin.found(page)).committed_nanos == twin.billed_nanos()


async def test_silence_is_answered_honestly_and_asks_no_model(twin):
    """
    Goal: nothing is made up; the time that the vendor has listened is booked.
    Method: half a second of silence.
    """
    page = await twin.visitor(language="es-AR")

    heard = await spoken(page, bytes(16_000))

    assert (type(heard[0]), heard[0].text) == (Understood, "")
    assert texts(heard) == "No te entendí. Dímelo otra vez, por favor, o escríbeme."
    assert (heard[-1].outcome, twin.calls("openai")) == ("done", 0)
    assert await twin.settled() == twin.billed_nanos() > 0


async def test_a_twin_that_may_not_listen_any_more_still_reads(new_twin):
    """
    Goal: the quota of the voice ends the listening, not the conversation.
    Method: a quota of a minute; forty seconds are heard, forty more are not; then in writing.
    """
    async with new_twin(quotas=Quotas(voice_minute_units=1)) as twin:
        page = await twin.visitor()
        assert (await spoken(page, bytes(32_000 * 40)))[-1].outcome == "done"
        heard = await spoken(page, bytes(32_000 * 40), turn="t2")
        (refused,) = [one for one in heard if isinstance(one, Refused)]

        assert (refused.problem.status, refused.problem.code) == (402, "quota_exhausted")
        assert "in writing" in refused.problem.remedy
        written = await page.turn("Hola", turn="t3")
        assert any(isinstance(one, TextPiece) for one in written)
        assert twin.calls("deepgram") == 1
