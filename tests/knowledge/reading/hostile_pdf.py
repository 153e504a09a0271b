"""PDFs that somebody made to do harm, written object by object."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

READ = "read"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
SHOW = b"BT /F 12 Tf 72 700 Td (hola a todos) Tj ET "
ENDS = {READ, "no_text", "damaged"}


def pdf_of(objects: Sequence[bytes], *, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, of which the first is the catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    addresses = []
    for number, content in enumerate(objects, 1):
        addresses.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % address for address in addresses)
    out += b"trailer\n<</Size %d/Root 1 0 R%s>>\n" % (len(objects) + 1, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A stream as it stands."""
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(data), extra, data)


def packed(data: bytes, times: int = 1, extra: bytes = b"") -> bytes:
    """A stream that has been compressed so many times."""
    for _ in range(times):
        data = zlib.compress(data, 1)
    return stream(data, b"/Filter[%s]%s" % (b"/FlateDecode" * times, extra))


def page_of(content: bytes, *others: bytes, resources: bytes = b"", page: bytes = b"") -> bytes:
    """A PDF of one page: objects 3 page, 4 font, 5 content, from 6 on *others*."""
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R"
            b"/Resources<</Font<</F 4 0 R>>%s>>%s>>" % (resources, page),
            FONT,
            content,
            *others,
        ]
    )


def pages_of(count: int, *, kids: bytes, extra: Sequence[bytes] = ()) -> bytes:
    """A PDF with a page tree of one's own."""
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count)
    return pdf_of([b"<</Type/Catalog/Pages 2 0 R>>", tree, *extra])


def pdfs():
    """All of them by name, with how each may end."""
    return {**_trees(), **_streams(), **_fonts(), **_syntax()}


def _trees():
    many = b"".join(b"%d 0 R " % number for number in range(3, 10_003))
    leaves = [b"<</Type/Page/Parent 2 0 R>>"] * 10_000
    deep = [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (n + 4) for n in range(3_000)]
    outline = [
        b"<</Type/Catalog/Pages 2 0 R/Outlines 3 0 R>>",
        b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
        b"<</First 3 0 R/Last 3 0 R/Next 3 0 R/Title(a)/Count 9>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]>>",
    ]
    return {
        "pdf: 10,000 pages": (pages_of(10_000, kids=many, extra=leaves), {"too_many_pages"}),
        "pdf: claims 10,000 pages": (pages_of(10_000, kids=b""), {"too_many_pages"}),
        "pdf: 10,000 pages, claims one": (
            pages_of(1, kids=many, extra=leaves),
            {"too_many_pages"},
        ),
        "pdf: one page 100,000 times": (
            pages_of(1, kids=b"3 0 R " * 99_000, extra=[b"<</Type/Page/Parent 2 0 R>>"]),
            {"too_many_pages", "too_large", "damaged"},
        ),
        "pdf: page tree in itself": (pages_of(1, kids=b"2 0 R"), {"too_deep", "damaged"}),
        "pdf: page tree 3,000 deep": (
            pages_of(1, kids=b"3 0 R", extra=deep),
            {"too_deep", "damaged"},
        ),
        "pdf: negative number of pages": (pages_of(-5, kids=b""), {"damaged", "no_text"}),
        "pdf: pages that are a number": (
            pdf_of([b"<</Type/Catalog/Pages 7>>"]),
            {"damaged", "no_text"},
        ),
        "pdf: bookmarks in themselves": (pdf_of(outline), ENDS | {"too_deep", "too_large"}),
    }


def _streams():
    zeros = b"\0" * (80 << 20)
    calls = b"/X Do " * 12
    forms = [
        packed(
            calls if n < 11 else SHOW,
            extra=b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources"
            b"<</Font<</F 4 0 R>>/XObject<</X %d 0 R>>>>" % (n + 7),
        )
        for n in range(12)
    ]
    own = stream(
        b"/X Do " + SHOW,
        b"/Type/XObject/Subtype/Form/Resources<</Font<</F 4 0 R>>/XObject<</X 6 0 R>>>>",
    )
    xobject = b"/XObject<</X 6 0 R>>"
    return {
        "pdf: flate bomb": (page_of(packed(zeros)), ENDS | {"too_large"}),
        "pdf: flate bomb three deep": (page_of(packed(zeros, 3)), ENDS | {"too_large"}),
        "pdf: 200 filters": (
            page_of(stream(b"a", b"/Filter[%s]" % (b"/ASCIIHexDecode" * 200))),
            ENDS | {"too_large"},
        ),
        "pdf: run length bomb": (
            page_of(stream(b"\x81 " * 900_000, b"/Filter/RunLengthDecode")),
            ENDS | {"too_large"},
        ),
        "pdf: content 10,000 times": (
            page_of(packed(SHOW * 50), page=b"/Contents[%s]" % (b"5 0 R " * 10_000)),
            ENDS | {"too_large", "too_slow"},
        ),
        "pdf: forms of forms of forms": (page_of(stream(calls), *forms, resources=xobject), ENDS),
        "pdf: a form in itself": (page_of(stream(b"/X Do"), own, resources=xobject), ENDS),
        "pdf: 50,000 saved states": (page_of(packed(b"q " * 50_000 + SHOW)), {READ}),
        "pdf: 20,000 texts": (
            page_of(packed(b"BT /F 9 Tf " + b"(hola) Tj " * 20_000 + b"ET")),
            {READ, "too_slow", "too_large"},
        ),
        "pdf: rectangles and texts": (
            page_of(packed(b"0 0 9 9 re f " * 5_000 + SHOW * 500)),
            {READ, "too_slow"},
        ),
        "pdf: numbers beyond numbers": (
            page_of(stream(b"9%s 0 0 1 0 0 cm 1e5 nan inf Td " % (b"9" * 400) + SHOW)),
            ENDS | {"too_large"},
        ),
        "pdf: operators without operands": (
            page_of(stream(b"BT Tf Td TJ Tj Tm cm re c l m gs Do scn ' \" Tr BDC EMC ET " + SHOW)),
            {READ},
        ),
        "pdf: arrays in arrays": (page_of(packed(b"[" * 100_000 + SHOW)), ENDS | {"too_deep"}),
    }


def _fonts():
    ranges = b"1 begincodespacerange <0000> <FFFF> endcodespacerange "
    ranges += b"100 beginbfrange " + b"<0000> <FFFFFFFF> <0041>\n" * 100 + b"endbfrange"
    wide = b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[6 0 R]%s>>"
    return {
        "pdf: a font of four billion signs": (
            _with_font(wide % b"/ToUnicode 7 0 R", b"<</Subtype/CIDFontType2>>", stream(ranges)),
            ENDS | {"too_large", "too_slow", "too_much_memory"},
        ),
        "pdf: a font of endless widths": (
            _with_font(wide % b"", b"<</Subtype/CIDFontType2/W[0 2000000000 500]>>"),
            ENDS | {"too_large", "too_slow", "too_much_memory"},
        ),
        "pdf: a font that descends from itself": (
            _with_font(wide.replace(b"6 0 R", b"4 0 R") % b"", b"null"),
            ENDS | {"too_deep", "too_large"},
        ),
    }


def _with_font(font: bytes, *others: bytes) -> bytes:
    return page_of(stream(SHOW), *others).replace(FONT, font)


def _syntax():
    good = page_of(stream(SHOW))
    return {
        "pdf: header alone": (b"%PDF-1.7\n", {"damaged"}),
        "pdf: header and noise": (b"%PDF-1.7\n" + bytes(range(256)) * 200, {"damaged"}),
        "pdf: no table of addresses": (good[: good.index(b"xref\n")], ENDS),
        "pdf: table that leads to itself": (
            good.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev %d" % good.index(b"xref\n")),
            ENDS | {"too_deep", "too_large"},
        ),
        "pdf: table of two billion": (
            good.replace(b"xref\n0 6", b"xref\n0 2000000000"),
            ENDS | {"too_large"},
        ),
        "pdf: starts nowhere": (good.replace(b"startxref\n", b"startxref\n99999999"), ENDS),
        "pdf: root that is its own reference": (
            good.replace(b"<</Type/Catalog/Pages 2 0 R>>", b"1 0 R".ljust(29)),
            ENDS | {"too_deep"},
        ),
        "pdf: length that lies": (good.replace(b"/Length 4", b"/Length 99999994"), ENDS),
        "pdf: objects 100,000 deep": (
            page_of(stream(SHOW), b"[" * 100_000),
            ENDS | {"too_deep", "too_large"},
        ),
        "pdf: dictionaries 100,000 deep": (
            page_of(stream(SHOW), resources=b"/A" + b"<</A" * 100_000),
            ENDS | {"too_deep", "too_large"},
        ),
        "pdf: unknown encryption": (
            good.replace(b"/Root 1 0 R", b"/Root 1 0 R/Encrypt<</Filter/Nobody/V 9>>/ID[(a)(b)]"),
            {"damaged", "encrypted"},
        ),
        "pdf: starts programs": (
            good.replace(
                b"/Catalog/", b"/Catalog/OpenAction<</S/Launch/F(/bin/sh)>>/AA<</S/JavaScript>>/"
            ),
            ENDS,
        ),
    }
