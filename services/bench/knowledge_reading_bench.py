"""
Pages a second from the bytes of a PDF to chunks that can be approved.

Ours is what a worker does: a fresh confined process, hidden text looked for, structure kept, chunks
cut. Beside it the bare library, which gives text alone, in this process and warm.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from textwrap import wrap
from time import perf_counter
from typing import Final

import msgspec
from pypdf import PdfReader

from services.knowledge.chunking import content_of_reading
from services.knowledge.fetched import Fetched
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.reader import read

PAGES: Final = 30
ROUNDS: Final = 5
_LINES_PER_PAGE: Final = 44
_COLUMNS: Final = 88
_SENTENCES: Final = (
    "El partido terminó dos a uno después de una prórroga que nadie olvidará.",
    "El árbitro señaló un penal a los treinta y cuatro minutos, y el arquero adivinó el lado.",
    "La defensa salió jugando desde el fondo, con paciencia y sin apuro.",
    "En el segundo tiempo el equipo adelantó sus líneas y encontró espacios por las bandas.",
    "La hinchada cantó hasta el final, aunque llovía sobre las tribunas del estadio.",
    "El entrenador cambió el esquema: línea de tres, dos carrileros y un enganche.",
    "Ningún campeón anterior había remontado dos goles en una final.",
)


class ReadingFigures(msgspec.Struct, frozen=True):
    """Pages a second, whole documents one after the other; *start_ms* is that of a process."""

    pages: int
    chunks: int
    pages_per_s: float
    library_pages_per_s: float
    chunking_ms: float
    start_ms: float


async def measure(pages: int = PAGES, rounds: int = ROUNDS) -> ReadingFigures:
    """Read the same book several times; the best round of each."""
    limits = Limits()
    book = Fetched(body=spanish_pdf(pages), media_type="application/pdf")
    note = Fetched(body=b"Hola.", media_type="text/plain")
    content = content_of_reading(await read(book, limits))
    ours_s, chunking_s, start_s, library_s = ([] for _ in range(4))
    for _ in range(rounds):
        began_s = perf_counter()
        reading = await read(book, limits)
        read_s = perf_counter()
        content_of_reading(reading)
        ours_s.append(perf_counter() - began_s)
        chunking_s.append(perf_counter() - read_s)
        began_s = perf_counter()
        await read(note, limits)
        start_s.append(perf_counter() - began_s)
        library_s.append(_library_s(book.body))
    return ReadingFigures(
        pages=pages,
        chunks=len(content.chunks),
        pages_per_s=pages / min(ours_s),
        library_pages_per_s=pages / min(library_s),
        chunking_ms=min(chunking_s) * 1e3,
        start_ms=min(start_s) * 1e3,
    )


def _library_s(book: bytes) -> float:
    began_s = perf_counter()
    for page in PdfReader(BytesIO(book)).pages:
        page.extract_text()
    return perf_counter() - began_s


def spanish_pdf(pages: int) -> bytes:
    """Return a book of so many full pages, each a chapter with its heading."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>"
        % (pages, b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(pages))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for number in range(1, pages + 1):
        packed = zlib.compress(_page(number))
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % (len(objects) + 2),
            b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(packed), packed),
        ]
    return _file(objects)


def _page(number: int) -> bytes:
    words = " ".join(_SENTENCES[(number + at) % len(_SENTENCES)] for at in range(60))
    lines = wrap(words, _COLUMNS)[:_LINES_PER_PAGE]
    shown = "".join(f"({line}) Tj T*\n" for line in lines)
    heading = f"BT /F 18 Tf 72 770 Td (Capítulo {number}) Tj ET\n"
    return f"{heading}BT /F 10 Tf 14 TL 72 740 Td\n{shown}ET".encode("cp1252")


def _file(objects: list[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    addresses = []
    for number, content in enumerate(objects, 1):
        addresses.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % address for address in addresses)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n" % (len(objects) + 1, start)
    return bytes(out + b"%%EOF\n")
