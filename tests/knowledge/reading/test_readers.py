"""What each kind of document says, with its structure and its places."""

from __future__ import annotations

import codecs

import pytest
from reportlab.lib.pagesizes import A4

from services.knowledge.document import Place
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading.document import reading_of
from services.knowledge.reading.limits import Limits
from tests.knowledge.reading import good

LIMITS = Limits()


def read(body, media_type="", **stated):
    if isinstance(body, str):
        body = body.encode()
    return reading_of(Fetched(body=body, media_type=media_type, **stated), LIMITS)


def said(reading):
    return [(block.kind, block.text) for block in reading.blocks]


def test_a_page_keeps_its_structure_and_loses_what_is_around_it():
    """Menus and feet of a site would be found by every question; a rule for print hides nothing."""
    reading = read(good.PAGE, "text/html")

    assert said(reading) == [
        ("heading", "La final"),
        ("paragraph", "Argentina ganó tres a dos en el Azteca. Fue el 29 de junio."),
        ("heading", "Goles"),
        ("list_item", "Brown, a los 23"),
        ("list_item", "Valdano, a los 55"),
        ("table_row", "Año: 1986 · Campeón: Argentina"),
        ("code", "uno\n  dos"),
    ]
    assert reading.title == "La final de 1986"
    assert reading.blocks[-1].place == Place(headings=("La final", "Goles"))
    assert not reading.flags


def test_a_page_without_main_part_keeps_its_text():
    """Old pages have nothing but boxes; those of links alone lead elsewhere."""
    links = "".join(f"<a href='{n}'>Noticia número {n}</a> " for n in range(6))
    reading = read(f"<div><div>{links}</div><h1>Título</h1>Texto suelto<p>y un párrafo</p></div>")

    assert said(reading) == [
        ("heading", "Título"),
        ("paragraph", "Texto suelto"),
        ("paragraph", "y un párrafo"),
    ]


def test_a_page_of_links_is_what_it_has():
    """Where nothing else is, what seemed to be around was the text."""
    links = "".join(f"<li><a href='{n}'>Capítulo {n}</a></li>" for n in range(6))

    assert len(read(f"<body><ul>{links}</ul></body>").blocks) == 6


def test_markdown_is_read_as_it_looks():
    """A person reviews what a twin will say, and nobody says asterisks."""
    reading = read(good.NOTES, "text/markdown")

    assert said(reading) == [
        ("heading", "La final"),
        ("paragraph", "Argentina ganó tres a dos en el Azteca."),
        ("heading", "Goles"),
        ("list_item", "Brown"),
        ("list_item", "Valdano"),
        ("table_row", "Año: 1986 · Campeón: Argentina"),
        ("code", "código  con espacios"),
    ]
    assert reading.title == "La final"


def test_plain_text_joins_lines_and_knows_lists():
    """Lines are broken for the width of a screen, not because something ends."""
    assert said(read(good.PLAIN, "text/plain")) == [
        ("paragraph", "La final se jugó en el Azteca."),
        ("list_item", "- Brown"),
        ("list_item", "- Valdano, de cabeza"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "Mañana será otro día; el niño comió ñoquis, ¿no?".encode("cp1252"),
        codecs.BOM_UTF16_LE
        + "Mañana será otro día; el niño comió ñoquis, ¿no?".encode("utf-16-le"),
        "Mañana será otro día; el niño comió ñoquis, ¿no?".encode("utf-16-be"),
        codecs.BOM_UTF8 + "Mañana será otro día; el niño comió ñoquis, ¿no?".encode(),
    ],
    ids=["cp1252", "utf-16 with a mark", "utf-16 without", "utf-8 with a mark"],
)
def test_charsets_are_found_out(body):
    """Half of the texts that people have say nothing of their charset."""
    assert said(read(body, "text/plain")) == [
        ("paragraph", "Mañana será otro día; el niño comió ñoquis, ¿no?")
    ]


def test_a_feed_becomes_rows_that_name_what_they_say():
    """A number without its name is no knowledge."""
    reading = read(good.FEED, "application/json")

    assert said(reading) == [
        ("heading", "team"),
        ("table_row", "name: Boca · home Ground: La Bombonera"),
        ("heading", "players"),
        ("table_row", "name: Ana · goals: 3 · club city: La Plata"),
        ("table_row", "name: Eva"),
        ("heading", "years"),
        ("list_item", "1986"),
        ("list_item", "2022"),
    ]
    assert reading.blocks[3].place.headings == ("team", "players")


def test_a_transcript_keeps_its_seconds():
    """A citation of a video leads to where it is said."""
    reading = read(good.transcript(3), good.TRANSCRIPT)

    assert [block.place.second for block in reading.blocks] == [0, 4, 8]
    assert reading.blocks[1].text == good.SENTENCES[1]


def test_a_pdf_has_pages_paragraphs_and_headings_without_running_titles():
    """A page number in the middle of a sentence is in nobody's answer."""
    reading = read(good.pdf(5), "application/pdf")
    texts = [block.text for block in reading.blocks]

    assert reading.title == "Mundiales"
    assert reading.pages == 5
    assert [b.text for b in reading.blocks if b.kind == "heading"] == [
        f"Capítulo {n}: jornada {n}" for n in range(1, 6)
    ]
    third = [b for b in reading.blocks if b.place.page == 3]
    assert third[1].text.startswith("Párrafo 1. ")
    assert third[1].text.endswith(".")
    assert third[1].place.headings == ("Capítulo 3: jornada 3",)
    assert ("table_row", "1986 · Argentina") in said(reading)
    assert ("list_item", "• Brown de cabeza") in said(reading)
    assert not any("Historia de los mundiales" in text or "Página" in text for text in texts)
    assert not reading.flags


def test_words_broken_at_the_end_of_a_line_are_whole():
    """Or the word is found by nobody who looks for it."""

    def draw(canvas):
        canvas.drawString(72, 700, "El campeo-")
        canvas.drawString(72, 686, "nato de Río-")
        canvas.drawString(72, 672, "Negro.")

    assert said(read(good.canvas_pdf(draw))) == [("paragraph", "El campeonato de Río- Negro.")]


def test_bookmarks_make_headings():
    """A book that says what its chapters are need not be guessed at."""

    def draw(canvas):
        for at, (text, level) in enumerate((("Primera parte", 0), ("La final", 1))):
            canvas.drawString(72, 700 - 40 * at, text)
            canvas.bookmarkPage(text)
            canvas.addOutlineEntry(text, text, level)
        canvas.drawString(72, 600, "Se jugó en junio.")

    last = read(good.canvas_pdf(draw)).blocks[-1]
    assert last.place == Place(page=1, headings=("Primera parte", "La final"))


def test_two_columns_are_read_one_after_the_other():
    """As they are painted; across them no sentence makes sense."""

    def draw(canvas):
        for x, words in ((72, "uno dos tres"), (320, "cuatro cinco seis")):
            for at, word in enumerate(words.split()):
                canvas.drawString(x, 700 - 14 * at, word)

    text = " ".join(block.text for block in read(good.canvas_pdf(draw)).blocks)
    assert text == "uno dos tres cuatro cinco seis"


def test_a_word_document_keeps_its_structure():
    """Headings by style, lists by style or number, tables by row."""
    reading = read(good.word(), good.WORD)

    assert said(reading) == [
        ("heading", "Marco"),
        ("paragraph", "Se empieza por escuchar."),
        ("heading", "Pasos"),
        ("list_item", "Preguntar"),
        ("table_row", "Etapa: Diagnóstico · Semanas: 3"),
    ]
    assert reading.title == "Marco de trabajo"


def test_a_scan_says_that_it_is_one():
    """Who uploads a scan is told what to do, not that something went wrong."""

    def draw(canvas):
        canvas.rect(0, 0, *A4, fill=1)

    with pytest.raises(IngestionProblem, match=r"no_text.*scan"):
        read(good.canvas_pdf(draw))


def test_a_password_is_named():
    """It is the most frequent reason, and the easiest to mend."""
    with pytest.raises(IngestionProblem, match=r"encrypted.*password"):
        read(good.canvas_pdf(lambda canvas: canvas.drawString(72, 700, "a"), encrypt="clave"))


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (good.PAGE.encode(), "application/pdf"),
        (good.FEED, "text/html"),
        (good.PAGE.encode(), "application/json"),
        (b"%PDF-1.7 x", "text/plain"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", ""),
        (b"GIF89a\x01\0", "text/html"),
        (b"\0\1\2\3" * 9, "application/octet-stream"),
        (b"<?xml version='1.0'?><rss/>", ""),
        (b"hola", "image/png"),
    ],
)
def test_what_is_not_what_it_says_is_refused(body, media_type):
    """A name decides nothing, and two opinions of what a file is are a way to smuggle."""
    with pytest.raises(IngestionProblem, match="wrong_type"):
        read(body, media_type)


@pytest.mark.parametrize("name", good.every())
def test_bytes_alone_decide(name):
    """A browser that knows no type sends none."""
    known = good.every()[name]
    if name in {"transcript", "markdown"}:
        # Only what is said tells them from JSON and text.
        return
    unnamed = reading_of(Fetched(body=known.body, media_type=""), LIMITS)
    assert unnamed == reading_of(known, LIMITS)
