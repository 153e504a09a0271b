"""
Prints those seeds that are files of a word processor, from the Markdown beside them.

`python -m tests.knowledge.printing` writes them again. They are committed because what prints PDF
is not installed where the twins run.
"""

from pathlib import Path
from xml.sax.saxutils import escape

import docx
from markdown_it import MarkdownIt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from services.twins.knowledge.catalogue import FOLDER, SEEDS

PRINTED = [seed for seed in SEEDS if seed.path.suffix in {".pdf", ".docx"}]


def text_of(seed):
    """The Markdown that a printed seed is made from."""
    return (FOLDER / seed.tenant / f"{seed.source}.md").read_text(encoding="utf-8")


def blocks(markdown):
    """Yield (tag, text) of headings and paragraphs, and ("table", rows)."""
    tag, rows, in_table = "", [], False
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "table_open":
            rows, in_table = [], True
        elif token.type == "table_close":
            in_table = False
            yield "table", rows
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in {"heading_open", "paragraph_open"}:
            tag = token.tag
        elif token.type == "inline":
            plain = "".join(
                " " if part.type == "softbreak" else part.content for part in token.children
            )
            if in_table:
                rows[-1].append(plain)
            else:
                yield tag, plain


def print_pdf(markdown, path):
    """Print on A4."""
    styles = getSampleStyleSheet()
    flow = []
    for tag, content in blocks(markdown):
        if tag == "table":
            table = Table(content, hAlign="LEFT")
            table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey)]))
            flow += [table, Spacer(1, 8)]
        else:
            style = {"h1": "Title", "h2": "Heading2"}.get(tag, "BodyText")
            flow.append(Paragraph(escape(content), styles[style]))
    title = next(content for tag, content in blocks(markdown) if tag == "h1")
    SimpleDocTemplate(str(path), pagesize=A4, title=title, invariant=1).build(flow)


def print_docx(markdown, path):
    """Print with the headings and tables of a word processor."""
    made = docx.Document()
    for tag, content in blocks(markdown):
        if tag == "table":
            table = made.add_table(rows=0, cols=len(content[0]))
            for row in content:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        elif tag == "p":
            made.add_paragraph(content)
        else:
            made.add_heading(content, int(tag[1]))
    made.save(str(path))


def main():
    """Write all of them."""
    for seed in PRINTED:
        path: Path = seed.path
        printer = print_pdf if path.suffix == ".pdf" else print_docx
        printer(text_of(seed), path)


if __name__ == "__main__":
    main()
