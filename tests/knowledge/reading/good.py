"""Documents as people have them, made here, small enough to be read hundreds of times."""

from __future__ import annotations

from io import BytesIO

import docx
import msgspec
from docx.shared import Pt, RGBColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import ListFlowable, PageBreak, Paragraph, SimpleDocTemplate, Table

from services.knowledge.fetched import TRANSCRIPT, Fetched, Line, Transcript
from services.knowledge.reading.media_type import HTML, JSON, MARKDOWN, PDF, TEXT, WORD

SENTENCES = (
    "El partido terminó dos a uno después de una prórroga que nadie olvidará.",
    "El árbitro señaló un penal a los 34 minutos, y el arquero adivinó el lado.",
    "La defensa salió jugando desde el fondo, con paciencia y sin apuro.",
    "En el segundo tiempo el equipo adelantó sus líneas y encontró espacios.",
    "La hinchada cantó hasta el final, aunque llovía sobre las tribunas.",
)
PAGE = """<!doctype html>
<html lang="es"><head><title>La final de 1986</title>
<style>.secreto { display: none } @media print { article { display: none } }</style></head>
<body><nav><a href="/">Inicio</a> <a href="/b">Partidos</a></nav>
<article><h1>La final</h1>
<p>Argentina ganó <b>tres a dos</b> en el Azteca.<br>Fue el 29 de junio.</p>
<h2>Goles</h2>
<ul><li>Brown, a los 23</li><li>Valdano, a los 55</li></ul>
<table><tr><th>Año</th><th>Campeón</th></tr><tr><td>1986</td><td>Argentina</td></tr></table>
<pre>uno
  dos</pre></article>
<footer>© El diario</footer></body></html>"""
NOTES = """---
title: no es texto
---
# La final

Argentina ganó *tres a dos*
en el Azteca.

## Goles

- Brown
- Valdano

| Año | Campeón |
|-----|---------|
| 1986 | Argentina |

    código  con espacios
"""
PLAIN = """La final se jugó
en el Azteca.

- Brown
- Valdano,
  de cabeza
"""


def pdf(pages: int = 2, *, seed: int = 0) -> bytes:
    """A book: on each page a heading, paragraphs, a list, a table, and a running title."""
    style = getSampleStyleSheet()
    story = []
    for number in range(1, pages + 1):
        story.append(Paragraph(f"Capítulo {number}: jornada {number + seed}", style["Heading1"]))
        for at in range(5):
            text = " ".join(SENTENCES[(at + number + seed + i) % 5] for i in range(5))
            story.append(Paragraph(f"Párrafo {at + 1}. {text}", style["BodyText"]))
        story += [
            ListFlowable([Paragraph("Brown de cabeza", style["BodyText"])], bulletType="bullet"),
            Table([["Año", "Campeón"], ["1986", "Argentina"]]),
            PageBreak(),
        ]
    out = BytesIO()

    def decorate(canvas: Canvas, _: object) -> None:
        canvas.bookmarkPage(f"p{canvas.getPageNumber()}")
        canvas.drawString(72, 810, "Historia de los mundiales")
        canvas.drawString(280, 30, f"Página {canvas.getPageNumber()}")

    SimpleDocTemplate(out, pagesize=A4, title="Mundiales", invariant=1).build(
        story, onFirstPage=decorate, onLaterPages=decorate
    )
    return out.getvalue()


def canvas_pdf(draw, **options) -> bytes:
    """One page with what *draw* draws on its canvas."""
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, **options)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def word() -> bytes:
    """Headings, a list, a table, and text that is hidden in three ways."""
    document = docx.Document()
    document.core_properties.title = "Marco de trabajo"
    document.add_heading("Marco", 1)
    paragraph = document.add_paragraph("Se empieza ")
    paragraph.add_run("oculto uno").font.hidden = True
    paragraph.add_run("por escuchar.")
    white = document.add_paragraph().add_run("blanco dos")
    white.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)
    document.add_paragraph().add_run("diminuto tres").font.size = Pt(1)
    document.add_heading("Pasos", 2)
    document.add_paragraph("Preguntar", style="List Bullet")
    table = document.add_table(2, 2)
    for at, text in enumerate(("Etapa", "Semanas", "Diagnóstico", "3")):
        table.cell(at // 2, at % 2).text = text
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def transcript(lines: int = 40) -> bytes:
    """Something said every four seconds."""
    said = tuple(Line(4_000 * at, SENTENCES[at % 5]) for at in range(lines))
    return msgspec.json.encode(
        Transcript(title="Charla", language="es", is_generated=True, lines=said)
    )


FEED = b"""{"team": {"name": "Boca", "homeGround": "La Bombonera",
 "players": [{"name": "Ana", "goals": 3, "club": {"city": "La Plata"}}, {"name": "Eva"}]},
 "years": [1986, 2022]}"""


def every() -> dict[str, Fetched]:
    """One document of each kind."""
    return {
        "pdf": Fetched(body=pdf(), media_type=PDF),
        "word": Fetched(body=word(), media_type=WORD),
        "page": Fetched(body=PAGE.encode(), media_type=HTML),
        "markdown": Fetched(body=NOTES.encode(), media_type=MARKDOWN),
        "text": Fetched(body=PLAIN.encode(), media_type=TEXT),
        "feed": Fetched(body=FEED, media_type=JSON),
        "transcript": Fetched(body=transcript(), media_type=TRANSCRIPT),
    }
