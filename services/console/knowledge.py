"""Knowledge: the sources of a twin, how one is added, and what it says to a question."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from contracts.knowledge import STEPS, UPLOADS
from contracts.lookup import UPLOAD_BYTES_MAX
from services.console import source
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.file_form import brought
from services.console.forms import WrongField
from services.console.knowledge_words import WORDS
from services.console.pages import Page

PATH: Final = "knowledge"
SHOWN: Final = 30
PASSAGES: Final = 8
# The order in which a source goes through them, with the way out last.
STAGES: Final = ("pending", "ingesting", "review", "approved", "rejected", "failed", "retired")
ADDRESSES: Final = ("web", "youtube", "api")
_NAME_CHARS: Final = 40
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_SIGNED_OUT: Final = (401, 403)


async def show(ask: Ask) -> web.StreamResponse:
    """Show a page of the sources, with a problem if a form could not be done."""
    stage = ask.request.query.get("stage", "")
    stage = stage if stage in STAGES else ""
    cursor = ask.request.query.get("cursor")
    found = await ask.get(PATH, limit=SHOWN, cursor=cursor, stage=stage or None)
    asked = {name: value for name, value in (("stage", stage), ("cursor", cursor)) if value}
    return ask.page(
        "knowledge.html",
        found=found,
        words=WORDS,
        stage=stage,
        stages=STAGES,
        steps=STEPS,
        addresses=ADDRESSES,
        uploads=sorted(UPLOADS),
        bytes_max=UPLOAD_BYTES_MAX,
        here=f"{ask.url(PATH)}?{urlencode(asked)}".rstrip("?"),
        more=urlencode({**asked, "cursor": found["next_cursor"] or ""}),
    )


async def upload(ask: Ask) -> web.StreamResponse:
    """Take a file to the API as it comes, as a new source."""
    file = brought(ask)
    title = ask.form.text("title") or file.name
    name = _named(title, ask.form.key)
    receipt = await ask.upload(
        f"{PATH}/{name}/upload", file, name=file.name, title=title, note=ask.form.text("note")
    )
    return ask.done(source.path_of(name), "added", receipt)


async def add(ask: Ask) -> web.StreamResponse:
    """Add a source that has an address."""
    title = ask.form.text("title")
    if not title:
        raise WrongField("title", "must not be empty")
    name = _named(title, ask.form.key)
    receipt = await ask.do(
        "knowledge",
        "add",
        source=name,
        kind=ask.form.text("kind"),
        title=title,
        location=ask.form.text("location"),
        note=ask.form.text("note"),
    )
    return ask.done(source.path_of(name), "added", receipt)


async def answer(ask: Ask) -> web.StreamResponse:
    """Look a question up in what is approved."""
    question = ask.request.query.get("q", "").strip()
    approved = await ask.get(PATH, limit=1, stage="approved")
    passages: list[Json] | None = None
    if question:
        try:
            passages = (await ask.get(f"{PATH}/search", q=question, limit=PASSAGES))["passages"]
        except ApiProblem as problem:
            # What was asked stays, beside why nobody has answered.
            if problem.status in _SIGNED_OUT:
                raise
            ask.problem = problem
    return ask.page(
        "knowledge_ask.html",
        question=question,
        passages=passages,
        nothing_approved=not approved["items"],
    )


def _named(title: str, key: str) -> str:
    """Make the id of a new source: what it is called, and what no other form has."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = _NOT_IN_NAMES.sub("-", plain).strip("-")[:_NAME_CHARS].rstrip("-")
    return f"{words or 'source'}-{sha256(key.encode()).hexdigest()[:6]}"


PAGE: Final = Page(
    PATH,
    "Knowledge",
    "knowledge",
    show,
    {"upload": upload, "add": add},
    within=(Page("ask", "", "knowledge", answer, {}, verb="search"), source.PAGE),
    takes_files=frozenset({"upload"}),
    names_people=True,
)
