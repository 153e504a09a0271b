"""A twin's documents: what they must say, and that their texts are kept to the letter."""

import msgspec
import pytest

from contracts.message import refuse_odd_text
from contracts.twin import SetIdentity
from domain import twin as rules
from tests.domain.dna import (
    fresh,
    identity,
    purpose,
)


class TestDocuments:
    @pytest.mark.parametrize(
        ("field", "document"),
        [
            ("identity.tone", identity(tone=" \t")),
            ("identity.pacing", identity(pacing="\n")),
            ("identity.signature_phrases[1]", identity(signature_phrases=["a", "\u2003"])),
            ("identity.signature_phrases[1]", identity(signature_phrases=["¡Gol!", "¡Gol!"])),
            ("purpose.audience", purpose(audience=" ")),
            ("purpose.goal_note", purpose(conversion_goal="other")),
        ],
    )
    def test_that_say_nothing_or_contradict_themselves_are_refused(self, field, document):
        """The refusal says where."""
        assert rules.contradiction(document)[0] == field

    def test_that_are_well_are_accepted(self):
        """The control."""
        assert rules.contradiction(identity(accent="")) is None
        assert rules.contradiction(purpose(conversion_goal="other", goal_note="a vote")) is None

    @pytest.mark.parametrize(
        "mark", ["\0", "\x07", "\r", "\x7f", "\x85", "\u202e", "\u2066", "\ud800"]
    )
    @pytest.mark.parametrize("field", ["tone", "pacing", "accent"])
    def test_odd_characters_are_refused_by_field(self, field, mark):
        """A text that reads differently from what it is must not be signed off."""
        with pytest.raises(ValueError, match=rf"`identity.{field}` has U\+{ord(mark):04X}"):
            SetIdentity(command_id="c", identity=identity(**{field: f"a{mark}b"}))

    def test_odd_characters_in_a_list_are_refused_by_index(self):
        """The editor must find the one of fifty phrases."""
        with pytest.raises(ValueError, match=r"`identity.signature_phrases\[1\]` has U\+202E at"):
            SetIdentity(
                command_id="c", identity=identity(signature_phrases=["¡Goooool!", "gol\u202e!"])
            )

    @pytest.mark.parametrize(
        "text",
        [
            "¡Goooool!",
            "Fernández",
            "e\u0301",
            "👩‍👩‍👧‍👦",
            "שלום",
            "مرحبا",
            "a\tb\nc",
            "\u200f",
            "ñ" * 200,
        ],
    )
    def test_every_other_text_is_kept_to_the_letter(self, text):
        """No normalising, no trimming: it is somebody's catchphrase."""
        refuse_odd_text("text", text)
        command = SetIdentity(command_id="c", identity=identity(signature_phrases=[text]))

        for codec in (msgspec.json, msgspec.msgpack):
            again = codec.decode(codec.encode(command), type=SetIdentity)
            assert again.identity.signature_phrases == [text]

    @pytest.mark.parametrize(
        "tag",
        [
            "es",
            "es-AR",
            "es-419",
            "zh-Hant-TW",
            "sl-rozaj-biske",
            "de-CH-1901",
            "en-US-u-ca-gregory",
            "qaa-x-rioplat",
            "zh-cmn-Hans-CN",
        ],
    )
    def test_language_tags_are_bcp_47(self, tag):
        """Examples of RFC 5646, appendix A."""
        assert msgspec.convert(
            {**msgspec.to_builtins(identity()), "language": tag}, type(identity())
        )

    @pytest.mark.parametrize(
        "tag", ["", "e", "español", "es_AR", "es-", "-AR", "es--AR", "es-A", "a-DE", "es-AR\n"]
    )
    def test_what_is_no_language_tag_is_refused(self, tag):
        """`Rioplatense` is an accent; a tag is for the provider's machine."""
        with pytest.raises(msgspec.ValidationError, match="language"):
            msgspec.convert({**msgspec.to_builtins(identity()), "language": tag}, type(identity()))

    @pytest.mark.parametrize(
        "tag", ["a" * 36, "ab" + "-a1b2c" * 5 + "!", "ab" + "-1a1a" * 6 + "-", "ab-a-" + "bb-" * 9]
    )
    def test_a_tag_that_is_nearly_one_is_refused_at_once(self, tag):
        """A pattern that tries everything would let one message stop a shard."""
        with pytest.raises(msgspec.ValidationError, match="language"):
            msgspec.convert({**msgspec.to_builtins(identity()), "language": tag}, type(identity()))

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("pitch_permille", (499, 2_001, 1.0, "1000", None)),
            ("speed_permille", (499, 2_001, 0)),
        ],
    )
    def test_refinements_are_bounded_whole_numbers(self, field, values):
        """In thousandths: half to double of what the provider's voice is."""
        kind = type(fresh().state.twin.live.refinement)
        for value in values:
            with pytest.raises(msgspec.ValidationError, match=field):
                msgspec.json.decode(msgspec.json.encode({field: value}), type=kind)

    def test_phrases_are_bounded(self):
        """Every collection is."""
        for phrases in (["x" * 201], [""], [str(n) for n in range(51)]):
            raw = {**msgspec.to_builtins(identity()), "signature_phrases": phrases}
            with pytest.raises(msgspec.ValidationError, match="signature_phrases"):
                msgspec.convert(raw, type(identity()))
