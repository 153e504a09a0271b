"""Files that somebody made to do harm: each with how it may end, `read` or codes of problems."""

from __future__ import annotations

import zlib
from functools import cache
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
from reportlab.lib.pagesizes import A4

from services.knowledge.fetched import TRANSCRIPT, Fetched, Line, Transcript
from services.knowledge.reading.media_type import HTML, JSON, MARKDOWN, OLE, PDF, TEXT, WORD
from tests.knowledge.reading import good
from tests.knowledge.reading.hostile_pdf import pdf_of, pdfs

READ = "read"
BODY = "word/document.xml"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@cache
def every() -> dict[str, tuple[Fetched, set[str]]]:
    """All of them by name."""
    kinds = ((PDF, _pdf_files()), (WORD, _words()), (HTML, _pages()), (TEXT, _texts()))
    kinds += ((JSON, _feeds()), (MARKDOWN, _markdowns()), (TRANSCRIPT, _transcripts()))
    found = {
        name: (Fetched(body=body, media_type=media_type), ends)
        for media_type, files in kinds
        for name, (body, ends) in files.items()
    }
    return found | _wrong_types()


def _pdf_files():
    return {
        **pdfs(),
        "pdf: encrypted": (
            good.canvas_pdf(lambda canvas: canvas.drawString(72, 700, "a"), encrypt="clave"),
            {"encrypted"},
        ),
        "pdf: scan": (
            good.canvas_pdf(lambda canvas: canvas.rect(0, 0, *A4, fill=1)),
            {"no_text"},
        ),
        "pdf: truncated in the middle": (
            good.pdf()[: len(good.pdf()) // 2],
            {"damaged", "no_text"},
        ),
        "pdf: its end alone": (b"%PDF-1.7\n" + good.pdf()[-300:], {"damaged", READ, "no_text"}),
        "pdf: every address wrong": (good.pdf().replace(b"0000000", b"0000777"), {READ, "damaged"}),
    }


# -- DOCX ------------------------------------------------------------------------------------------


def docx_with(document: str | bytes, **others: bytes) -> bytes:
    """A good DOCX with another body."""
    out = BytesIO()
    with ZipFile(BytesIO(good.word())) as source, ZipFile(out, "w", ZIP_DEFLATED) as target:
        for member in source.infolist():
            if member.filename not in {BODY, *others}:
                target.writestr(member, source.read(member))
        target.writestr(BODY, document)
        for name, data in others.items():
            target.writestr(name, data)
    return out.getvalue()


def _document(inside: str, entities: str = "") -> str:
    head = f"<?xml version='1.0'?>{entities}<w:document {W}><w:body>"
    return f"{head}{inside}</w:body></w:document>"


def _paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def _zip_of(members: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return out.getvalue()


def _patched(data: bytes, field: int, value: bytes) -> bytes:
    """Overwrite a field of the entry of the body in the directory of an archive."""
    at = data.rindex(BODY.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    return data[: at + field] + value + data[at + field + len(value) :]


def _words():
    laughs = "<!DOCTYPE a [<!ENTITY l0 'ja'>" + "".join(
        f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10)
    )
    word = good.word()
    bomb = docx_with(_document(_paragraph("a" * (129 << 20))))
    nested = "<w:tbl><w:tr><w:tc>" * 500 + _paragraph("a") + "</w:tc></w:tr></w:tbl>" * 500
    row = "<w:tr>" + f"<w:tc>{_paragraph('a')}</w:tc>" * 100 + "</w:tr>"
    external = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    loop = '<w:styles {}><w:style w:styleId="A"><w:basedOn w:val="A"/></w:style></w:styles>'
    return {
        "docx: truncated": (word[: len(word) // 2], {"damaged"}),
        "docx: bomb": (bomb, {"too_large"}),
        "docx: bomb that lies": (_patched(bomb, 24, b"\x10\0\0\0"), {"damaged"}),
        "docx: encrypted member": (_patched(word, 8, b"\x01\0"), {"encrypted"}),
        "docx: unknown compression": (_patched(word, 10, b"\x63\0"), {"damaged"}),
        "docx: 2,500 members": (
            docx_with(_document(_paragraph("a")), **{f"x/{n}": b"" for n in range(2_500)}),
            {"too_large"},
        ),
        "docx: a billion laughs": (
            docx_with(_document(_paragraph("&l9;"), laughs + "]>")),
            {"damaged", "no_text", "too_large"},
        ),
        "docx: external entity": (
            docx_with(_document(_paragraph("hola &x;"), external)),
            {READ, "damaged", "no_text"},
        ),
        "docx: deep tables": (docx_with(_document(nested)), {READ, "too_deep", "damaged"}),
        "docx: deep insertions": (
            docx_with(_document("<w:p>" + "<w:ins>" * 200 + "</w:ins>" * 200 + "</w:p>")),
            {"no_text"},
        ),
        "docx: depth 100,000": (
            docx_with(_document("<w:sdt>" * 100_000 + "</w:sdt>" * 100_000)),
            {"too_deep", "damaged"},
        ),
        "docx: huge table": (docx_with(_document(f"<w:tbl>{row * 50}</w:tbl>")), {READ}),
        "docx: no XML": (docx_with(b"\0\1\2\3"), {"damaged"}),
        "docx: climbs out": (
            docx_with(_document(_paragraph("a")), **{"../../../../tmp/x": b"x"}),
            {READ},
        ),
        "docx: style based on itself": (
            docx_with(_document(_paragraph("a")), **{"word/styles.xml": loop.format(W).encode()}),
            {READ},
        ),
        "docx: empty": (docx_with(_document("")), {"no_text"}),
    }


# -- HTML ------------------------------------------------------------------------------------------


def _pages():
    rules = "".join(f".c{n} > p:nth-child({n}) {{ display: none }}\n" for n in range(6_000))
    nots = ":not(" * 500 + "p" + ")" * 500
    return {
        "html: 100,000 deep": (b"<div>" * 100_000 + b"a", {"too_deep"}),
        "html: 100,000 inline deep": (b"<b>" * 100_000 + b"a", {"too_deep", READ}),
        "html: 200,000 open brackets": (b"<" * 200_000, {READ, "no_text"}),
        "html: huge attribute": (
            b"<p title='" + b"a" * 4_000_000 + b"'>hola</p>",
            {READ, "no_text"},
        ),
        "html: NULs": (b"<p>ho\0la</p>" + b"\0" * 100, {READ}),
        "html: 12,000 cells": (
            b"<table>" + (b"<tr>" + b"<td>a</td>" * 60) * 200 + b"</table>",
            {READ},
        ),
        "html: 6,000 rules": (
            f"<style>{rules}</style>{'<p>hola</p>' * 50}".encode(),
            {READ, "too_slow"},
        ),
        "html: nested selectors": (
            f"<style>{nots}{{display:none}}</style><p>hola".encode(),
            {READ},
        ),
        "html: style without end": (b"<style>/* " + b"{" * 200_000 + b"</style><p>hola", {READ}),
        "html: entities": (b"<p>" + b"&amp" * 200_000 + b"&#x110000;&#0;&#xD800;</p>", {READ}),
        "html: charset that is none": (b"<meta charset=rot13><p>ma\xf1ana</p>", {READ}),
        "html: charset undefined": (b"<meta charset=undefined><p>ma\xf1ana</p>", {READ}),
        "html: frames of frames": (
            b"<iframe srcdoc='<iframe>'>" * 150 + b"hola",
            {READ, "no_text"},
        ),
        "html: nothing but script": (b"<script>" + b"a" * 100_000, {"no_text"}),
        "html: hidden at its root": (b"<html hidden><p>hola</p></html>", {"no_text"}),
        "html: opened, never closed": (b"<table><tr><td><ul><li>" * 40 + b"a", {READ, "too_deep"}),
        "html: unfinished comment": (b"<p>hola</p><!-- " + b"-" * 300_000, {READ}),
        "html: overlong title": (b"<title>" + b"a" * 300_000 + b"</title><p>hola</p>", {READ}),
    }


# -- Text ------------------------------------------------------------------------------------------


def _texts():
    return {
        "text: too large": (b"a" * (9 << 20), {"too_large"}),
        "text: too many characters": (b"palabra " * 600_000, {"too_large"}),
        "text: one line": (b"a" * 900_000, {READ}),
        "text: no charset": (bytes(range(128, 256)) * 50, {READ, "damaged", "wrong_type"}),
        "text: half a UTF-16": (b"\xff\xfe" + b"h\0o\0l", {READ}),
        "text: lone surrogates": (b"\xff\xfeh\0\x00\xd8\x00\xd8o\0", {READ}),
        "text: hidden characters": (("a\u200b" * 100_000).encode(), {READ}),
        "text: nothing but hidden ones": (("\u200b" * 100_000).encode(), {"no_text"}),
        "text: tags of a book": (
            ("a" + "".join(chr(0xE0041 + n % 20) for n in range(100_000))).encode(),
            {READ},
        ),
        "text: nearly an order": (b"ignore " + b"all " * 40_000, {READ}),
        "text: nearly a list": (b"1. " * 40_000, {READ}),
        "text: marks": (("a" + "\u0301" * 300_000).encode(), {READ}),
        "text: blank": (b" \n\t\r\n" * 1_000, {"no_text"}),
        "text: empty": (b"", {"no_text"}),
        "text: NULs": (b"\0" * 10_000, {"wrong_type", "no_text"}),
        "text: 6,000 paragraphs": (b"a\n\n" * 6_000, {"too_large"}),
    }


def _feeds():
    return {
        "json: 100,000 deep": (b"[" * 100_000, {"too_deep"}),
        "json: 100,000 objects deep": (b'{"a":' * 100_000, {"too_deep"}),
        "json: half a million digits": (b"[" + b"1" * 500_000 + b"]", {READ, "too_large"}),
        "json: exponents": (b'{"a": 1e999999999, "b": -1e999999999}', {READ}),
        "json: not a number": (b'{"a": NaN, "b": Infinity}', {READ, "damaged"}),
        "json: lone surrogates": (b'{"a\\ud800": "hola\\udfff"}', {READ}),
        "json: not finished": (b'{"a": "hola', {"damaged"}),
        "json: same key": (b"{" + b'"a": "b",' * 50_000 + b'"a": "hola"}', {READ}),
        "json: wide": (b"[" + b'{"a":1},' * 6_000 + b"0]", {READ, "too_large"}),
        "json: empty": (b"[]", {"no_text"}),
        "json: quotes": (b'["' + b"\\" * 300_001, {"damaged"}),
    }


def _markdowns():
    return {
        "markdown: 10,000 quotes deep": (b">" * 10_000 + b" a", {READ, "too_deep", "no_text"}),
        "markdown: brackets": (b"[" * 5_000 + b"a", {READ, "too_slow"}),
        "markdown: stars": (b"*a **b " * 3_000, {READ, "too_slow"}),
        "markdown: backticks": (b"`a``b```" * 10_000, {READ, "too_slow"}),
        "markdown: lists in lists": (
            b"".join(b"  " * n + b"- a\n" for n in range(300)),
            {READ, "too_deep"},
        ),
        "markdown: references": (b"[a]: /u\n" * 4_000 + b"[a]", {READ}),
        "markdown: wide table": (b"|a" * 3_000 + b"\n" + b"|-" * 3_000 + b"\n|1\n", {READ}),
    }


def _transcripts():
    odd = Transcript(
        title="a", language="es", is_generated=True, lines=(Line(-5, "hola"), Line(1 << 62, "b"))
    )
    return {
        "transcript: not one": (b'{"title": 3}', {"damaged"}),
        "transcript: odd times": (msgspec.json.encode(odd), {READ}),
        "transcript: 6,000 lines": (good.transcript(6_000), {"too_large"}),
        "transcript: empty": (good.transcript(0), {"no_text"}),
    }


def _wrong_types():
    sheet = _zip_of({"[Content_Types].xml": b"<a/>", "xl/workbook.xml": b"<a/>"})
    wrong = {"wrong_type"}
    return {
        "a picture as PDF": (Fetched(body=b"\x89PNG\r\n\x1a\n\0\0", media_type=PDF), wrong),
        "a program": (Fetched(body=b"\x7fELF\x02\x01\x01\0", media_type=""), wrong),
        "a page as PDF": (Fetched(body=good.PAGE.encode(), media_type=PDF), wrong),
        "a PDF as page": (Fetched(body=good.pdf(), media_type=HTML), wrong),
        "a PDF as text": (Fetched(body=good.pdf(), media_type=TEXT), wrong),
        "a sheet as DOCX": (Fetched(body=sheet, media_type=WORD), wrong),
        "an archive": (Fetched(body=_zip_of({"a": b"b"}), media_type=""), wrong),
        "a DOC": (Fetched(body=OLE + b"\0" * 600, media_type=""), wrong),
        "a DOCX with a password": (
            Fetched(body=OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), media_type=""),
            {"encrypted"},
        ),
        "PDF and archive at once": (
            Fetched(body=pdf_of([b"<</Type/Catalog>>"]) + good.word(), media_type=WORD),
            wrong,
        ),
        "compressed": (
            Fetched(body=b"\x1f\x8b\x08\0" + zlib.compress(b"hola"), media_type=""),
            wrong,
        ),
    }
