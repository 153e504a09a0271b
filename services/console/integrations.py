"""
Integrations: the keys of vendors in the twin's vault, and what vendors charge.

A value goes to the gate and is nowhere on any page again, not even in a form that was refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from aiohttp import web

from contracts.message import NAME_PATTERN
from contracts.secret import OVERLAP_MAX_MS
from domain.refusals import BY_CODE
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.forms import Form, WrongField
from services.console.pages import Page
from services.console.rendering import NANOS
from services.vendors.key_trial import WORDS

SECRETS_SHOWN: Final = 100
QUANTITIES: Final = (
    "input_tokens",
    "output_tokens",
    "stream_ms",
    "characters",
    "requests",
    "turns",
)
MODALITIES: Final = ("text", "voice", "video", "data")
# More than any price; "1e999999" is no reason to reckon for long.
AMOUNT_NANOS_MAX: Final = 10**18
_HOUR_MS: Final = 3_600_000
# For how long the version before can still be opened: none, an hour, a day, a week, 30 days.
OVERLAPS_MS: Final = (0, _HOUR_MS, 24 * _HOUR_MS, 7 * 24 * _HOUR_MS, OVERLAP_MAX_MS)
_NO_BOOK: Final = "version_unknown"
_IS_COST: Final = re.compile("[0-9]{1,18}", re.ASCII)
# What a test of a key can find, by its name.
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {str(name): said for name, said in WORDS.items()}


async def show(ask: Ask) -> web.StreamResponse:
    """Show what is in the vault, and how many prices there are."""
    cursor = ask.request.query.get("cursor")
    secrets = await ask.get("secrets", limit=SECRETS_SHOWN, cursor=cursor)
    book = await _book(ask) if ask.may("price_book") else None
    providers = sorted({entry["provider_id"] for entry in _entries(book)})
    return ask.page(
        "integrations.html",
        secrets=secrets,
        book=book,
        entries=_entries(book),
        providers=providers,
        name_pattern=NAME_PATTERN,
        overlaps=OVERLAPS_MS,
        tested=_tested(ask),
    )


async def put(ask: Ask) -> web.StreamResponse:
    """Keep a value; earlier versions of the name can be opened no more."""
    sent = ask.form
    receipt = await ask.do("secret", "put", name=sent.text("name"), value=_value(ask))
    return ask.done("integrations", "put", receipt)


async def rotate(ask: Ask) -> web.StreamResponse:
    """Replace a value; the one before can be opened for a while."""
    receipt = await ask.do(
        "secret",
        "rotate",
        name=ask.form.text("name"),
        value=_value(ask),
        overlap_ms=ask.form.number("overlap_ms") or 0,
    )
    return ask.done("integrations", "rotated", receipt)


async def revoke(ask: Ask) -> web.StreamResponse:
    """End every version of a name, for ever."""
    receipt = await ask.do(
        "secret", "revoke", name=ask.form.text("name"), reason=ask.form.text("reason")
    )
    return ask.done("integrations", "revoked", receipt)


async def test(ask: Ask) -> web.StreamResponse:
    """Have the vendor asked whether it takes the key; a call that is metered."""
    name = ask.form.text("name")
    found = await ask.post(f"secrets/{quote(name, safe='')}/test")
    return ask.done(
        "integrations",
        "tested",
        secret=name,
        outcome=found["outcome"],
        code=found["code"],
        cost=str(found["cost_nanos"]),
    )


def _tested(ask: Ask) -> Json | None:
    """Read what a test has found; its words are ours, whatever an address says."""
    query = ask.request.query
    outcome, refusal = query.get("outcome", ""), BY_CODE.get(query.get("code", ""))
    words: tuple[str, str] | None = None
    if outcome == "refused" and refusal is not None:
        words = refusal.message, refusal.remedy
    elif outcome in OUTCOMES:
        words = OUTCOMES[outcome]
    if query.get("said") != "tested" or words is None:
        return None
    cost = query.get("cost", "")
    return {
        "name": query.get("secret", ""),
        "is_good": outcome == "works",
        "title": words[0],
        "remedy": words[1],
        "cost_nanos": int(cost) if _IS_COST.fullmatch(cost) else 0,
    }


def _value(ask: Ask) -> str:
    # As it was given: a space at its end may be part of it, and is the vault's to judge.
    value = ask.form.fields.get("value", "")
    if not value:
        raise WrongField("value", "must not be empty")
    return value


# -- the price book ------------------------------------------------------------------------


async def prices(ask: Ask) -> web.StreamResponse:
    """Show every price with where it was read, and one of them to be changed."""
    book = await _book(ask)
    entries = _entries(book)
    key = ask.form.text("product") or ask.request.query.get("product", "")
    chosen = next((entry for entry in entries if key_of(entry) == key), None)
    return ask.page(
        "prices.html",
        book=book,
        entries=entries,
        chosen=chosen,
        key_of=key_of,
        spelled=spelled,
        quantities=QUANTITIES,
        modalities=MODALITIES,
        is_new=ask.request.query.get("product") == "" or (bool(ask.problem) and not key),
    )


async def set_price(ask: Ask) -> web.StreamResponse:
    """Put one product on the list, or another in its place."""
    entry = entry_of(ask.form)
    gone = {ask.form.text("product"), key_of(entry)}
    return await _set(ask, [*_without(await _book(ask), gone), entry])


async def remove_price(ask: Ask) -> web.StreamResponse:
    """Take one product off the list: calls of it are refused from then on."""
    return await _set(ask, _without(await _book(ask), {ask.form.text("product")}))


async def _set(ask: Ask, entries: list[Json]) -> web.StreamResponse:
    book = await _book(ask)
    currency = _currency(book) or ask.about["currency"] or "USD"
    receipt = await ask.do(
        "price_book",
        "set",
        price_book={
            "entries": sorted(entries, key=key_of),
            "currency": currency,
        },
        # The list that they saw: somebody else may have changed it meanwhile.
        expected_version=ask.form.number("expected_version"),
        note=ask.form.text("note"),
    )
    return ask.done("integrations/prices", "set", receipt)


async def _book(ask: Ask) -> Json | None:
    try:
        return await ask.get("price-book")
    except ApiProblem as problem:
        if problem.code != _NO_BOOK:
            raise
        return None


def _entries(book: Json | None) -> list[Json]:
    entries: list[Json] = book["price_book"]["entries"] if book else []
    return entries


def _currency(book: Json | None) -> str:
    # The document leaves out what is as by default.
    return str(book["price_book"].get("currency") or "USD") if book else ""


def _without(book: Json | None, keys: set[str]) -> list[Json]:
    return [entry for entry in _entries(book) if key_of(entry) not in keys]


def key_of(entry: Mapping[str, str]) -> str:
    """Name a product in an address: what it is called, and by which modality it is sold."""
    return f"{entry['provider_id']}/{entry['sku']}/{entry['modality']}"


def entry_of(form: Form) -> Json:
    """Read an entry of the price book from a form; raises WrongField."""
    text, prices_of = form.text, {}
    for quantity in QUANTITIES:
        price, per = f"price_{quantity}", f"per_{quantity}"
        if text(price):
            prices_of[quantity] = {
                "nanos": _nanos(price, text(price)),
                "per": _per(per, text(per) or "1"),
            }
    if not prices_of:
        raise WrongField("price_input_tokens", "must be given, or the price of another quantity")
    return {
        **{name: text(name) for name in ("provider_id", "sku", "modality")},
        "prices": prices_of,
        "provenance": {
            "source": text("source"),
            "retrieved_on": text("retrieved_on"),
            "note": text("provenance_note"),
        },
    }


def _nanos(name: str, said: str) -> int:
    try:
        nanos = Decimal(said) * NANOS
        is_amount = abs(nanos) < AMOUNT_NANOS_MAX
    except ArithmeticError:
        is_amount = False
    if not is_amount:
        raise WrongField(name, "must be an amount like 0.00025")
    if nanos != nanos.to_integral_value():
        raise WrongField(name, "has more than nine decimals; say it for more of the quantity")
    return int(nanos)


def _per(name: str, said: str) -> int:
    if not (said.isascii() and said.isdigit()):
        raise WrongField(name, "must be a whole number")
    return int(said)


def spelled(nanos: int) -> str:
    """Write nanos as an amount for a form, with the decimals that it has."""
    text = f"{Decimal(nanos) / NANOS:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


PAGE: Final = Page(
    "integrations",
    "Integrations",
    "secret",
    show,
    {"put": put, "rotate": rotate, "revoke": revoke, "test": test},
    within=(
        Page(
            "prices",
            "",
            "price_book",
            prices,
            {"set": set_price, "remove": remove_price},
            names_people=True,
        ),
    ),
    names_people=True,
)
