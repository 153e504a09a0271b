"""One source of knowledge: what it says, what to look at in it, and what people decided on it."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from babel import Locale, UnknownLocaleError

from contracts.knowledge import STEPS, UPLOADS
from contracts.lookup import REVIEWED_CHUNKS_MAX, UPLOAD_BYTES_MAX
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.comparing import Comparison, compare
from services.console.file_form import brought
from services.console.knowledge_words import WORDS
from services.console.marking import marked
from services.console.pages import Page

REVIEWS_SHOWN: Final = 10
_UNDER_WAY: Final = ("pending", "ingesting")
_VERSIONS: Final = ("draft", "approved")
_CHUNK_CHARS: Final = 7
_SIGNED_OUT: Final = (401, 403)


def path_of(name: str) -> str:
    """Return the path of a source's page below the twin's."""
    return f"knowledge/sources/{name}"


async def show(ask: Ask) -> web.StreamResponse:
    """Show a source, with a problem if a form could not be done."""
    name = ask.part("source")
    one = await ask.get(f"knowledge/{name}")
    if ask.is_live_part and "seen" in ask.request.query:
        return _newer(ask, one)
    is_status = ask.is_live_part and ask.request.query.get("part") == "status"
    version, first = _asked(ask, one)
    if is_status:
        version = ""
    question = ask.request.query.get("question", "").strip()
    reviews, (review, why) = await asyncio.gather(
        ask.get(f"knowledge/{name}/reviews", limit=REVIEWS_SHOWN, cursor=_cursor(ask)),
        _review(ask, name, version, first=first, question=question or None),
    )
    return ask.page(
        "knowledge_source.html",
        one=one,
        words=WORDS,
        steps=STEPS,
        under_way=_is_under_way(one),
        is_status=is_status,
        newer_query=urlencode(
            {"seen": one["changed_position"], "was": "read" if _is_under_way(one) else ""}
        ),
        is_upload=one["kind"] in UPLOADS,
        bytes_max=UPLOAD_BYTES_MAX,
        reviews=reviews,
        version=version,
        review=review,
        why=why,
        question=question,
        language=_language(ask, review),
        chunks=_chunks(review),
        compared=await _compared(ask, name, version, review),
        more=_more(version, review),
        below=path_of(name),
    )


def _newer(ask: Ask, one: Json) -> web.Response:
    """Say whether a page that is open is older than the source; each step of a reading is not."""
    asked = {name: ask.request.query.get(name, "") for name in ("seen", "was")}
    goes_on = asked["was"] == "read" and _is_under_way(one)
    is_newer = not goes_on and asked["seen"] != str(one["changed_position"])
    return ask.page(
        "knowledge_newer.html", one=one, is_newer=is_newer, newer_query=urlencode(asked)
    )


def _is_under_way(one: Json) -> bool:
    return one["stage"] in _UNDER_WAY


async def approve(ask: Ask) -> web.StreamResponse:
    """Let the twin use the content that the page has shown."""
    return await _decide(
        ask, "approve", "approved", flags_seen=len(set(ask.form.texts("seen"))), **_content(ask)
    )


async def reject(ask: Ask) -> web.StreamResponse:
    """Say that the twin may not use the content that the page has shown."""
    return await _decide(ask, "reject", "rejected", **_content(ask))


async def retire(ask: Ask) -> web.StreamResponse:
    """Take everything of the source out of use."""
    return await _decide(ask, "retire", "retired")


async def submit(ask: Ask) -> web.StreamResponse:
    """Have the source read again."""
    return await _decide(ask, "submit", "submitted")


async def upload(ask: Ask) -> web.StreamResponse:
    """Bring a new edition of the file."""
    name, file = ask.part("source"), brought(ask)
    receipt = await ask.upload(
        f"knowledge/{name}/upload", file, name=file.name, note=ask.form.text("note")
    )
    return ask.done(path_of(name), "submitted", receipt)


def _content(ask: Ask) -> Json:
    return {"content_hash": ask.form.text("content_hash")}


async def _decide(ask: Ask, verb: str, said: str, **fields: object) -> web.StreamResponse:
    name = ask.part("source")
    note = ask.form.text("note")
    receipt = await ask.do("knowledge", verb, source=name, note=note, **fields)
    return ask.done(path_of(name), said, receipt)


# -- what is shown of the content --------------------------------------------------------


def _asked(ask: Ask, one: Json) -> tuple[str, int]:
    """Return which version is shown, and from which chunk on; no version where there is none."""
    there = [version for version in _VERSIONS if one[f"{version}_hash"]]
    wanted = ask.request.query.get("version", "")
    version = wanted if wanted in there else (there or [""])[0]
    text = ask.request.query.get("first", "")
    is_number = text.isascii() and text.isdigit() and len(text) < _CHUNK_CHARS
    return version, max(1, int(text)) if is_number else 1


def _cursor(ask: Ask) -> str | None:
    return ask.request.query.get("cursor")


async def _review(
    ask: Ask, name: str, version: str, **query: object
) -> tuple[Json | None, Json | None]:
    """Return a content, or why it cannot be read now: the rest of the page stands without it."""
    if not version:
        return None, None
    try:
        return await ask.get(f"knowledge/{name}/review", version=version, **query), None
    except ApiProblem as problem:
        if problem.status in _SIGNED_OUT:
            raise
        return None, problem.problem


def _chunks(review: Json | None) -> list[Json]:
    """Return each chunk with its text in pieces, of which those that a flag is about are marked."""
    if review is None:
        return []
    flags = [{**flag, "number": number} for number, flag in enumerate(review["flags"], 1)]
    return [
        {
            **chunk,
            "pieces": marked(
                chunk["text"], [one for one in flags if one.get("chunk") == chunk["number"]]
            ),
        }
        for chunk in review["chunks"]
    ]


async def _compared(ask: Ask, name: str, version: str, review: Json | None) -> Comparison | None:
    """Return the draft beside what is approved now, where both are short enough to be shown."""
    if review is None or version != "draft" or not review["approved_hash"]:
        return None
    before, _ = await _review(ask, name, "approved")
    whole = (before, review)
    if any(one is None or one["chunks_total"] > REVIEWED_CHUNKS_MAX for one in whole):
        return None
    assert before is not None
    if len(review["chunks"]) < review["chunks_total"]:
        return None
    return compare(_text(before), _text(review))


def _text(review: Json) -> str:
    return "\n\n".join(chunk["text"] for chunk in review["chunks"])


def _more(version: str, review: Json | None) -> Json:
    """Return the queries of the chunks before and after those that are shown."""
    if not review or not review["chunks"]:
        return {}
    first, last = review["chunks"][0]["number"], review["chunks"][-1]["number"]
    found = {}
    if first > 1:
        before = max(1, first - REVIEWED_CHUNKS_MAX)
        found["before"] = urlencode({"version": version, "first": before})
    if last < review["chunks_total"]:
        found["after"] = urlencode({"version": version, "first": last + 1})
    return found


def _language(ask: Ask, review: Json | None) -> str:
    """Return the name of a content's language; empty where nobody knows it."""
    tag = str((review or {}).get("language", ""))
    try:
        known = Locale.parse(tag, sep="-").get_display_name(ask.words.language)
    except (ValueError, UnknownLocaleError):
        return ""
    return known or ""


PAGE: Final = Page(
    "sources/{source}",
    "",
    "knowledge",
    show,
    {"approve": approve, "reject": reject, "retire": retire, "submit": submit, "upload": upload},
    takes_files=frozenset({"upload"}),
    names_people=True,
)
