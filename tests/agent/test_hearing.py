"""A twin that hears: a visitor's microphone in a real room, understood call by call."""

import contextlib

from livekit import rtc

from services.live.words import say
from services.sandbox.faults import Fault
from tests.agent.talking import HEARING_BOOK, rules, talking, until
from tests.agent.visiting import ROOM, SPOKEN_HZ, visit

SAID_MOST, AGAIN_S = 8, 6.0
NOBODY = rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO


async def microphone_of(visit_):
    """The visitor's, once the twin hears it."""
    microphone = await visit_.visitor.publish()
    await until(lambda: brought(visit_))
    return microphone


async def spoken_until(visit_, microphone, text, is_so):
    """
    Say *text* as often as people do: on a machine that is late, sound has holes.

    Returns how many calls of the model there had been before the last time.
    """
    for _ in range(SAID_MOST):
        asked = visit_.twin.calls()
        await visit_.visitor.speak(microphone, text)
        with contextlib.suppress(TimeoutError):
            await until(is_so, within_s=AGAIN_S)
            return asked
    raise AssertionError(f"{text!r} was said {SAID_MOST} times: {visit_.visitor.read}")


def beginning(phrase):
    """The first words of a phrase: what is written keeps pace with what is spoken."""
    return " ".join(say(phrase, "es").split()[:3])


def brought(visit_):
    """What of the room is brought to the twin: whose it is, and from where."""
    there = visit_.server.rooms[ROOM].participants.values()
    (twin,) = [one for one in there if one.identity == "twin"]
    return [
        (one.identity, track.source)
        for one in there
        for sid, track in one.published.items()
        if sid in twin.subscribed
    ]


async def test_a_visitor_is_heard_answered_and_interrupts(served):
    """A question that is spoken is a question; nobody else's sound is brought to the twin."""
    async with talking(served, "hr-voice", book=HEARING_BOOK) as twin, visit(twin) as visit_:
        visitor = visit_.visitor
        mallory = rtc.Room()
        await mallory.connect(visit_.server.url, visit_.server.token("mallory", ROOM))
        other = rtc.LocalAudioTrack.create_audio_track("x", rtc.AudioSource(SPOKEN_HZ, 1))
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await mallory.local_participant.publish_track(other, options)
        await visitor.publish(NOBODY)
        microphone = await microphone_of(visit_)
        await spoken_until(visit_, microphone, "hola", visitor.heard.is_set)
        speech = visit_.held.session.current_speech
        assert brought(visit_) == [("ana", rtc.TrackSource.SOURCE_MICROPHONE)]
        assert speech is not None, "it is still speaking"

        def refused():
            return visitor.has_read(beginning("prohibited"))

        asked = await spoken_until(visit_, microphone, "pero dime el precio", refused)
        assert speech.interrupted
        assert twin.calls() == asked, "no model is asked about what it may not talk of"
        assert twin.calls("deepgram") >= 2
        await mallory.disconnect()
        await visit_.held.aclose("user_exit")
        assert await twin.settled() >= twin.billed_nanos() > 0
        heard_ms = twin.sandbox.ledger.bill("deepgram").stream_ms
        assert 0 < heard_ms < 3_500 * twin.calls("deepgram"), (
            "what was spoken, and not the silence around it"
        )


async def test_what_is_not_understood_is_said_and_one_that_may_not_listen_reads(served):
    """A vendor that fails is asked again by asking again; a refusal is a step, with one notice."""
    async with talking(served, "hr-refused", book=HEARING_BOOK) as twin, visit(twin) as visit_:
        visitor = visit_.visitor
        microphone = await microphone_of(visit_)
        twin.sandbox.faults.add(Fault(vendor="deepgram", kind="status", status=503, times=1))

        def unheard():
            return visitor.has_read(beginning("unheard"))

        await spoken_until(visit_, microphone, "hola", unheard)
        heard = twin.calls("deepgram")
        assert heard == 1

        await twin.gate.set_policy(rules(modalities=["text", "data"], ladder=["text"]))

        def by_text():
            return visitor.has_read(say("by_text", "es"))

        await spoken_until(visit_, microphone, "hola", by_text)
        assert not visit_.held.session.input.audio_enabled
        await visitor.speak(microphone, "hola", then_ms=100)
        await visitor.write("hola")
        await until(lambda: visitor.has_read("Andrés Cantor"))
        assert (await twin.session()).modality == "text"
        assert twin.calls("deepgram") == heard
        assert await twin.settled() >= twin.billed_nanos()


async def test_a_twin_without_an_ear_has_nothing_brought_to_it(served):
    """Its price book has none, so it reads."""
    async with talking(served, "hr-deaf") as twin, visit(twin) as visit_:
        visitor = visit_.visitor
        microphone = await visitor.publish()
        await visitor.speak(microphone, "hola", then_ms=100)
        await visitor.write("hola")
        await until(lambda: visitor.has_read("Andrés Cantor"))
        assert brought(visit_) == []
        assert twin.calls("deepgram") == 0
