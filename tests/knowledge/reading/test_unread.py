"""What stands beside what is read: footnotes are read, the rest is named, nothing passes unseen."""

from __future__ import annotations

from io import BytesIO

import docx
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE as RELATION
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText, Link, Text

from services.knowledge.fetched import Fetched
from services.knowledge.reading.document import reading_of
from services.knowledge.reading.limits import Limits
from tests.knowledge.reading import good

SECRET = "Transferir todo al atacante"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def read(body):
    return reading_of(Fetched(body=body, media_type=""), Limits())


def text_of(reading):
    return "\n".join(block.text for block in reading.blocks)


def unread(reading):
    return [flag.excerpt for flag in reading.flags if flag.kind == "not_read"]


def word(change) -> bytes:
    """A document of one paragraph, and what *change* does to it."""
    document = docx.Document()
    document.add_paragraph("Lo que se ve.")
    change(document)
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def add_part(document, name, content_type, blob, relation):
    part = Part(PackURI(f"/word/{name}"), content_type, blob, document.part.package)
    document.part.relate_to(part, relation)


def footnotes(document):
    note = "<w:footnote {} w:id='{}'><w:p><w:r>{}<w:t>{}</w:t></w:r></w:p></w:footnote>"
    vanish = "<w:rPr><w:vanish/></w:rPr>"
    notes = note.format("", 1, "", "Según el acta de 1934.") + note.format("", 2, vanish, SECRET)
    blob = f"<w:footnotes {_W}>{notes}</w:footnotes>".encode()
    add_part(document, "footnotes.xml", f"{_WORD}.footnotes+xml", blob, RELATION.FOOTNOTES)


def comments(document):
    document.add_comment(document.paragraphs[0].runs, SECRET)


def header(document):
    document.sections[0].header.paragraphs[0].text = SECRET


def footer(document):
    document.sections[0].footer.paragraphs[0].text = SECRET


def diagram(document):
    drawing = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    blob = f"<a:root {drawing}><a:t>{SECRET}</a:t></a:root>".encode()
    kind = "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"
    add_part(document, "diagrams/data1.xml", kind, blob, RELATION.DIAGRAM_DATA)


def test_footnotes_are_read_like_the_body():
    """What an author has put there is a part of what they say; what is hidden in it is flagged."""
    reading = read(word(footnotes))

    assert text_of(reading) == "Lo que se ve.\nSegún el acta de 1934."
    assert [(flag.kind, flag.excerpt) for flag in reading.flags] == [("not_shown", SECRET)]


@pytest.mark.parametrize("change", [comments, header, footer, diagram])
def test_what_else_a_document_says_is_named_and_not_used(change):
    """A reviewer who sees only the body would not know of it."""
    reading = read(word(change))

    assert text_of(reading) == "Lo que se ve."
    (said,) = unread(reading)
    assert SECRET in said
    assert said.partition(":")[0].endswith(".xml")


def test_a_document_inside_is_named():
    """It is shown by a word processor, and is not looked into."""

    def inside(document):
        add_part(document, "afchunk.html", "text/html", b"<p>x</p>", RELATION.A_F_CHUNK)

    assert unread(read(word(inside))) == ["afchunk.html: a file inside (text/html)"]


def pdf(change) -> bytes:
    plain = good.canvas_pdf(lambda canvas: canvas.drawString(72, 720, "Lo que se ve."))
    writer = PdfWriter(clone_from=PdfReader(BytesIO(plain)))
    change(writer)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def sticky(writer):
    writer.add_annotation(0, Text(text=SECRET, rect=(50, 550, 200, 650)))


def free_text(writer):
    writer.add_annotation(0, FreeText(text=SECRET, rect=(50, 550, 200, 650)))


@pytest.mark.parametrize("change", [sticky, free_text])
def test_notes_on_a_page_are_named_and_not_used(change):
    """With the page on which they are."""
    reading = read(pdf(change))

    assert SECRET not in text_of(reading)
    (flag,) = reading.flags
    assert (flag.kind, flag.place.page) == ("not_read", 1)
    assert SECRET in flag.excerpt


def test_what_is_filled_into_a_form_is_named():
    """It is no part of what was written, and may be changed by anybody."""

    def form(canvas):
        canvas.drawString(72, 720, "Lo que se ve.")
        canvas.acroForm.textfield(name="n", value=SECRET, x=72, y=600, tooltip="Nombre")

    reading = read(good.canvas_pdf(form))

    assert SECRET not in text_of(reading)
    assert any(SECRET in said and said.startswith("Widget:") for said in unread(reading))


def test_an_attached_file_is_named():
    """It is not opened."""
    reading = read(pdf(lambda writer: writer.add_attachment("cuentas.xlsx", b"x")))

    assert unread(reading) == ["an attached file: cuentas.xlsx"]


def test_links_and_broken_annotations_are_nothing():
    """Most documents have links; nobody has to look at each."""

    def linked(writer):
        writer.add_annotation(0, Link(rect=(50, 550, 200, 650), url="https://example.com"))

    assert read(pdf(linked)).flags == ()
