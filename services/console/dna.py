"""
DNA & onboarding: who the twin is, what it is for, and its way to the air, step by step.

The steps are pages with addresses of their own, so it can be left and taken up again by anybody;
what is missing is what the gate says is missing, and no page keeps anything of its own.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from services.console import calibration
from services.console.api import Json
from services.console.asking import Ask
from services.console.dna_form import (
    GOALS,
    IDENTITY,
    PURPOSE,
    Document,
    changed,
    read_document,
    written,
)
from services.console.forms import WrongField
from services.console.pages import Handler, Page

SHOWN: Final = 10
CONFLICT: Final = "version_conflict"
# Which page does what is missing.
STEPS: Final = {
    "twin.set_identity": "dna/identity",
    "twin.set_purpose": "dna/purpose",
    "twin.begin_calibration": "dna/calibration",
    "twin.record_sample": "dna/calibration",
    "twin.sign_off": "dna/sign-off",
    "tenant.resume": "",
}


async def show(ask: Ask) -> web.StreamResponse:
    """Show what is live, what is drafted, and what is missing until it can go live."""
    view, versions = await asyncio.gather(
        ask.get("live/twin"),
        ask.get("twin/identities", limit=SHOWN, cursor=ask.request.query.get("cursor")),
    )
    return ask.page("dna.html", view=view, versions=versions, steps=STEPS)


async def show_sign_off(ask: Ask) -> web.StreamResponse:
    """Show exactly what is signed."""
    view, kept = await asyncio.gather(ask.get("live/twin"), calibration.takes(ask))
    shown = calibration.samples(view)
    return ask.page(
        "dna_sign_off.html",
        view=view,
        samples=[one for one in shown if one.number],
        media=calibration.origins(shown),
        takes=calibration.by_call(kept),
    )


async def sign_off(ask: Ask) -> web.StreamResponse:
    """Take the Owner's word that this looks and sounds like them."""
    if not ask.form.ticked("mirror"):
        raise WrongField("mirror", "must be ticked: that is what is signed")
    receipt = await ask.do(
        "twin", "sign_off", version=ask.form.number("version"), note=ask.form.text("note")
    )
    return ask.done("dna", "signed_off", receipt)


def _editing(document: Document, template: str) -> Handler:
    async def handle(ask: Ask) -> web.StreamResponse:
        view = await ask.get("live/twin")
        found = document.newest(view)
        newest = found["version"] if found else 0
        saved: Json = found[document.name] if found else {}
        is_sent = "expected_version" in ask.form.fields
        is_conflict = is_sent and ask.problem is not None and ask.problem.code == CONFLICT
        # They are shown both, so what they save next is made knowing the newest one.
        expected = newest if is_conflict or not is_sent else ask.form.number("expected_version")
        return ask.page(
            template,
            view=view,
            fields=ask.form.fields if is_sent else written(document, saved),
            expected=expected,
            goals=GOALS,
            changes=changed(document, saved, ask.form) if is_conflict else None,
        )

    return handle


async def save_identity(ask: Ask) -> web.StreamResponse:
    """Save a new version of the identity, as the draft."""
    return ask.done("dna/identity", "saved", await _save(ask, IDENTITY, "set_identity"))


async def save_purpose(ask: Ask) -> web.StreamResponse:
    """Put a new version of the purpose in force."""
    return ask.done("dna/purpose", "saved", await _save(ask, PURPOSE, "set_purpose"))


async def _save(ask: Ask, document: Document, verb: str) -> Json:
    fields: Json = {document.name: read_document(document, ask.form)}
    return await ask.do(
        "twin",
        verb,
        expected_version=ask.form.number("expected_version"),
        note=ask.form.text("note"),
        **fields,
    )


_EDITORS: Final = (
    ("identity", _editing(IDENTITY, "dna_identity.html"), save_identity),
    ("purpose", _editing(PURPOSE, "dna_purpose.html"), save_purpose),
)
PAGE: Final = Page(
    "dna",
    "DNA & onboarding",
    "twin",
    show,
    {},
    names_people=True,
    within=(
        *(Page(path, "", "twin", edit, {"save": save}) for path, edit, save in _EDITORS),
        calibration.PAGE,
        Page("sign-off", "", "twin", show_sign_off, {"sign-off": sign_off}),
    ),
)
