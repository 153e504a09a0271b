"""When somebody begins to speak and has ended, by loudness alone."""

import random
from array import array

from services.agent.endpointing import (
    AFTER_MS,
    BEFORE_MS,
    PART_MS,
    PART_MS_MAX,
    SAMPLE_RATE,
    Began,
    Endpointer,
    Insists,
    Spoken,
)
from services.sandbox.ear import hear
from services.sandbox.voice import say

BYTES_PER_MS = SAMPLE_RATE * 2 // 1_000


def silence(ms):
    return bytes(ms * BYTES_PER_MS)


def noise(ms, loudness, seed=7):
    draw = random.Random(seed).gauss
    return array(
        "h",
        (
            max(-32_000, min(32_000, round(draw(0, loudness))))
            for _ in range(ms * SAMPLE_RATE // 1_000)
        ),
    ).tobytes()


def spoken(text):
    return say(text, "v-1", SAMPLE_RATE)


def heard(pcm, step=1_001 * 2):
    """Hear it in pieces of a size that fits nothing."""
    endpointer = Endpointer()
    return [one for at in range(0, len(pcm), step) for one in endpointer.take(pcm[at : at + step])]


def kinds(events):
    return [type(one).__name__ for one in events]


def test_what_is_said_is_handed_out_whole_with_a_little_around_it():
    """Its words are heard, and the silence before and after it is not paid for."""
    said = spoken("Hola Andrés, ¿cómo estás?")
    events = heard(silence(3_000) + said + silence(3_000))
    assert kinds(events) == ["Began", "Insists", "Spoken"]
    (last,) = [one for one in events if isinstance(one, Spoken)]
    assert last.is_last
    words = " ".join(word.text for word in hear(last.pcm, SAMPLE_RATE))
    assert words == "hola andrés, ¿cómo estás?"
    around_ms = (len(last.pcm) - len(said)) // BYTES_PER_MS
    assert around_ms <= BEFORE_MS + AFTER_MS + 40


def test_silence_noise_and_a_click_are_nobody():
    """A steady noise is the room; a click is over before it is anybody."""
    assert heard(silence(5_000)) == []
    assert kinds(heard(noise(8_000, 200))) == []
    click = noise(40, 9_000)
    assert heard(silence(500) + click + silence(2_000)) == []


def test_a_cough_begins_and_is_nothing():
    """It is no question, and nobody is called for it."""
    events = heard(silence(500) + noise(90, 9_000) + silence(2_000))
    assert events == [Began(), Spoken(b"", is_last=True)]


def test_a_noise_that_stays_becomes_the_room():
    """It costs little, and somebody is heard above it then."""
    endpointer = Endpointer()
    room = endpointer.take(noise(30_000, 900))
    costs_ms = sum(len(one.pcm) for one in room if isinstance(one, Spoken)) // BYTES_PER_MS
    assert costs_ms < 15_000
    assert not endpointer.is_speaking
    assert endpointer.take(noise(5_000, 900, seed=8)) == []
    assert Began() in endpointer.take(spoken("Hola"))


def test_a_long_speech_is_handed_out_in_parts_that_make_up_the_whole():
    """Each is short enough to be held for by itself; only the last one ends it."""
    said = b"".join(spoken(f"Frase {number} del largo discurso. ") for number in range(20))
    parts = [one for one in heard(said + silence(2_000)) if isinstance(one, Spoken)]
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(parts) > 1
    for part in parts[:-1]:
        assert PART_MS <= len(part.pcm) // BYTES_PER_MS <= PART_MS_MAX
    assert b"".join(part.pcm for part in parts).startswith(said[:PART_MS])


def test_who_never_pauses_is_cut_at_the_most():
    """A speech is held for in parts, with pauses or without."""
    first = next(one for one in heard(noise(21_000, 9_000)) if isinstance(one, Spoken))
    assert len(first.pcm) // BYTES_PER_MS == PART_MS_MAX
    assert not first.is_last


def test_who_insists_is_told_once_and_again_the_next_time():
    """A twin that speaks stops then."""
    said = spoken("Pero escúchame un momento, por favor") + silence(1_000)
    events = heard(silence(200) + said + said)
    assert [one for one in events if isinstance(one, Insists)] == [Insists()] * 2


def test_the_end_of_the_microphone_is_the_end_of_what_was_said():
    """Who is cut off has said what they have said."""
    endpointer = Endpointer()
    endpointer.take(spoken("Hola"))
    (last,) = endpointer.end()
    assert last.is_last and last.pcm
    assert endpointer.end() == []
