"""Chunks keep what belongs together, lose nothing, and are the same for the same reading."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from services.knowledge import chunking
from services.knowledge.chunking import TOKENS_LEFT, TOKENS_MAX, content_of_reading, tokens_of
from services.knowledge.document import Block, Content, Flag, Place, Reading, content_of
from services.knowledge.fetched import TRANSCRIPT, Fetched
from services.knowledge.language import language_of
from services.knowledge.reading.document import reading_of
from services.knowledge.reading.limits import Limits
from services.knowledge.sentences import sentences_of
from tests.knowledge.reading import good

SPANISH = " ".join(good.SENTENCES)


def reading(*blocks, **others):
    return Reading(media_type="text/plain", title="t", blocks=tuple(blocks), **others)


def paragraph(text, *headings, **place):
    return Block(kind="paragraph", text=text, place=Place(headings=headings, **place))


def heading(text, *above, level=1):
    return Block(kind="heading", text=text, place=Place(headings=above), level=level)


def texts(content):
    return [chunk.text for chunk in content.chunks]


def test_a_heading_of_the_top_begins_a_chunk():
    """What two chapters say must not be cited as if one had said it."""
    content = content_of_reading(
        reading(heading("Uno"), paragraph("a.", "Uno"), heading("Dos"), paragraph("b.", "Dos"))
    )

    assert texts(content) == ["Uno\na.", "Dos\nb."]
    assert content.chunks[1].first == Place(headings=("Dos",))


def test_short_sections_share_a_chunk_and_long_ones_do_not():
    """A question and its answer are a few lines; alone they would be found by everything."""
    short = [heading("Temas")]
    for name in ("A", "B"):
        short += [heading(name, "Temas", level=2), paragraph("Breve.", "Temas", name)]
    long = [heading("Temas")]
    for name in ("A", "B"):
        long += [heading(name, "Temas", level=2), paragraph(SPANISH * 3, "Temas", name)]

    assert len(content_of_reading(reading(*short)).chunks) == 1
    assert [text.split("\n")[0] for text in texts(content_of_reading(reading(*long)))] == [
        "Temas",
        "B",
    ]


def test_no_chunk_ends_with_a_heading():
    """It would announce what another chunk says."""
    content = content_of_reading(
        reading(
            paragraph(SPANISH * 2, "T"),
            heading("B", "T", level=2),
            paragraph(SPANISH * 3, "T", "B"),
        )
    )

    assert len(content.chunks) == 2
    assert content.chunks[1].text.startswith("B\n")


def test_long_paragraphs_are_cut_between_sentences():
    """Half a sentence is nobody's knowledge."""
    content = content_of_reading(reading(paragraph(" ".join([SPANISH] * 12), "T", page=4)))

    assert len(content.chunks) > 3
    assert all(text.endswith(".") for text in texts(content))
    assert all(text[0].isupper() for text in texts(content))
    assert " ".join(texts(content)) == " ".join([SPANISH] * 12)
    assert {chunk.first.page for chunk in content.chunks} == {4}


def test_a_transcript_is_cut_into_windows_with_their_seconds():
    """A citation leads to where it is said."""
    read = reading_of(Fetched(body=good.transcript(60), media_type=TRANSCRIPT), Limits())
    content = content_of_reading(read)

    assert len(content.chunks) > 1
    for one, other in zip(content.chunks, content.chunks[1:], strict=False):
        assert other.first.second == one.last.second + 4
    assert content.chunks[0].first.second == 0


def test_what_is_the_same_in_two_sources_has_the_same_hash():
    """Spelling that nobody sees makes no difference; a word does."""
    one, same, other = (
        content_of_reading(reading(paragraph(text))).chunks[0].hash
        for text in ("La ﬁnal  de México", "la final de\tmé\u0078ico", "la final de Chile")
    )

    assert one == same
    assert one != other


def test_flags_belong_to_what_is_approved():
    """Who approves a hash has seen them: with another flag it is another hash."""
    plain = content_of_reading(reading(paragraph("a")))
    flag = Flag(kind="instruction", excerpt="ignore all")
    flagged = content_of_reading(reading(paragraph("a"), flags=(flag,)))

    assert flagged.flags == (flag,)
    assert plain.hash != flagged.hash


def test_languages():
    """In doubt nothing is said, or a list of numbers would be Catalan."""
    assert language_of([SPANISH]) == "es"
    assert language_of(["The match ended two to one after extra time, and nobody left."]) == "en"
    assert language_of(["1986 2022", "3-3"]) == "und"
    assert language_of(["Das Spiel ging nach der Verlängerung zwei zu eins aus."]) == "de"


def test_sentences_end_where_people_end_them():
    """Not after a title, an initial or an abbreviation."""
    text = "El Sr. Pérez y J. L. Borges, p. ej., fueron. ¿Y después? «No sé.» Dijo EE. UU. hoy."

    assert list(sentences_of(text)) == [
        "El Sr. Pérez y J. L. Borges, p. ej., fueron.",
        "¿Y después?",
        "«No sé.»",
        "Dijo EE. UU. hoy.",
    ]


# Of `good.PAGE`.
HASH = "910e451b92ae84b46b2e6711d7a496c511699e75121652979896a86be57b2407"
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
BLOCKS = st.lists(
    st.builds(
        lambda kind, words, times, level, above: Block(
            kind=kind,
            text=" ".join([*words, "fin."] * times),
            level=level,
            place=Place(headings=tuple(above)),
        ),
        st.sampled_from(["heading", "paragraph", "list_item", "table_row", "speech", "code"]),
        st.lists(WORDS, min_size=1, max_size=8),
        st.sampled_from([1, 1, 8]),
        st.integers(1, 3),
        st.lists(st.sampled_from("ABC"), max_size=3),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=50)
@given(BLOCKS)
def test_nothing_is_lost_and_nothing_is_too_long(blocks):
    """Whatever the blocks: every word is in a chunk, in its order; the same again is the same."""
    content = content_of_reading(reading(*blocks))

    def letters(parts):
        return re.sub(r"[\s-]", "", "".join(parts))

    assert letters(texts(content)) == letters(block.text for block in blocks)
    # Blank lines between blocks, marks of lists, and the rest of a section come on top.
    most = TOKENS_MAX + TOKENS_LEFT + 25
    assert all(tokens_of(text) <= most for text in texts(content))
    assert [chunk.number for chunk in content.chunks] == list(range(1, len(content.chunks) + 1))
    again = content_of_reading(reading(*blocks))
    assert again.hash == content.hash
    assert content_of(content.to_bytes()) == content


def test_the_form_is_written_down():
    """Change how documents are read or cut and this hash changes: then raise FORM with it."""
    content = content_of_reading(
        reading_of(good.every()["page"], Limits()),
    )

    assert isinstance(content, Content)
    assert (chunking.FORM, content.hash) == (1, HASH)
