"""What the sandbox's voice says its ear hears: the same text, at any speed, in any voice."""

import math
import random
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.ear import hear
from services.sandbox.formants import AGAIN, LOWER_HERTZ, SYMBOLS, UPPER_HERTZ, symbol_of
from services.sandbox.voice import pitch_of, say

RATE = 16_000
# Everything that is kept; of upper case nothing is.
KEPT = SYMBOLS.replace(AGAIN, "") + "ÑÁÉÍÓÚÜABCXYZ"
texts = st.lists(st.text(KEPT, min_size=1, max_size=8), min_size=1, max_size=3).map(" ".join)


def heard(text, *, voice="v-1", rate=RATE, speed=1.0):
    return " ".join(word.text for word in hear(say(text, voice, rate, speed), rate))


def resampled(pcm, rate, wanted):
    """By drawing lines between the samples, as the simplest of players do."""
    samples = array("h", pcm) + array("h", [0])
    places = (at * rate / wanted for at in range(len(pcm) // 2 * wanted // rate))
    return array(
        "h",
        (int(samples[int(at)] * (1 - at % 1) + samples[int(at) + 1] * (at % 1)) for at in places),
    ).tobytes()


class TestWhatIsKept:
    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(texts, st.sampled_from([0.6, 1.0, 1.5]))
    def test_every_text_of_the_alphabet_comes_back_up_to_its_case(self, text, speed):
        """Letters, accents, digits, signs, how often a letter is repeated, borders of words."""
        assert heard(text, speed=speed) == text.lower()

    def test_every_symbol_next_to_itself_and_to_another(self):
        """Also those that chance does not draw."""
        letters = SYMBOLS.replace(AGAIN, "")
        text = " ".join(one + one + other for one, other in pairwise(letters))

        assert heard(text, rate=8_000, speed=1.5) == text

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("¡Goooool! ¿Cómo estás, señor?", "¡goooool! ¿cómo estás, señor?"),
            ("¡¡GOOOOOOOOOOL!!", "¡¡gooooooooool!!"),
            ("Ganó 3-2 (90+4') y vale $1.234,50", "ganó 3-2 (90+4') y vale $1.234,50"),
            # Written with a combining accent.
            ("Perdio\u0301", "perdió"),
            ("“Garçon” – já", '"garcon" - já'),  # noqa: RUF001
            # Without notes: nothing of it, and it makes no letters equal.
            ("ok👍kk dale 足球", "okkk dale"),
            ("dos  espacios\ny líneas ", "dos espacios y líneas"),
        ],
    )
    def test_what_is_kept_exactly(self, text, kept):
        """As `formants` says."""
        assert heard(text) == kept

    def test_no_two_symbols_share_their_notes(self):
        """Or one would be heard for the other; and no note is above what a telephone carries."""
        assert len(set(SYMBOLS)) == len(SYMBOLS) == len(LOWER_HERTZ) * len(UPPER_HERTZ)
        assert max(*LOWER_HERTZ, *UPPER_HERTZ) < 4_000
        assert symbol_of(AGAIN) == "", "what nobody writes is not said"


class TestHowItIsSpoken:
    @pytest.mark.parametrize("speed", [0.6, 1.5])
    def test_voices_of_every_pitch_are_understood(self, speed):
        """The notes are the same in all of them; the hum is the voice's own."""
        names = sorted((f"v-{at}" for at in range(60)), key=pitch_of)
        for voice in (names[0], names[-1]):
            text = "hola señor qué tal, uf."
            assert heard(text, voice=voice, speed=speed) == text

    @pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 48_000])
    def test_what_was_resampled_on_the_way_is_understood(self, rate):
        """The voice speaks at 24 kHz mostly; a gateway takes 16 kHz."""
        text = "¡Goooool! ¿Cuántos años tenés, pibe?"
        pcm = say(text, "v-1", rate)

        assert (
            " ".join(word.text for word in hear(resampled(pcm, rate, RATE), RATE)) == text.lower()
        )

    @pytest.mark.parametrize("volume", [0.02, 0.5, 3.0])
    def test_soft_loud_and_a_little_noisy(self, volume):
        """A microphone is none of the three exactly right."""
        chance = random.Random(7)
        pcm = array(
            "h",
            (
                max(-32_768, min(32_767, int((sample + chance.gauss(0, 200)) * volume)))
                for sample in array("h", say("Hola, señor.", "v-1", RATE))
            ),
        )
        assert [word.text for word in hear(pcm.tobytes(), RATE)] == ["hola,", "señor."]

    def test_words_have_their_times(self):
        """Within what a letter lasts."""
        silence = bytes(2 * RATE)
        first, second = hear(silence + say("hola che", "v-1", RATE), RATE)

        # h o l a at 50, 85, 50, 85 ms; a space of 60; c h e at 50, 50, 85.
        for found, expected in (
            (first.start_s, 1.0),
            (first.end_s, 1.27),
            (second.start_s, 1.33),
            (second.end_s, 1.515),
        ):
            assert abs(found - expected) < 0.03
        assert 0.5 < first.clarity <= 1


def sound_of(kind, samples=RATE):
    chance = random.Random(3)
    drift = 0.0
    for at in range(samples):
        turn = 2 * math.pi * at / RATE
        drift = 0.97 * drift + chance.gauss(0, 900)
        match kind:
            case "silence":
                yield 0
            case "faint":
                yield chance.gauss(0, 10)
            case "white":
                yield chance.gauss(0, 6_000)
            case "rumble":
                yield drift
            case "whistle":
                yield 9_000 * math.sin(880 * turn)
            case "a person":
                # A vowel as a throat makes it: many harmonics of a pitch that moves.
                pitch = 130 * turn + math.sin(turn)
                yield sum(4_000 / n * math.sin(n * pitch) for n in range(1, 9))


@pytest.mark.parametrize("kind", ["silence", "faint", "white", "rumble", "whistle", "a person"])
def test_no_words_are_made_up(kind):
    """Whatever is not its voice is nothing, and no pretence of it."""
    sound = array("h", (max(-32_768, min(32_767, int(one))) for one in sound_of(kind)))

    assert hear(sound.tobytes(), RATE) == []


def test_what_chance_spells_in_noise_is_no_word():
    """Seldom two notes stand out in it for a moment; most of what sounds must be letters."""
    chance = random.Random(2)
    noise = array("h", (chance.randint(-9_000, 9_000) for _ in range(3 * RATE)))
    uf = array("h", say("uf", "v-1", RATE))

    assert hear(uf.tobytes(), RATE) != hear((noise + uf).tobytes(), RATE) == []


def test_an_empty_or_half_recording_is_nothing():
    """Nothing to divide by."""
    assert hear(b"", RATE) == hear(b"\x01", RATE) == hear(bytes(3), RATE) == []
