"""
Cost & limits: the policy that every call is decided by, tried before it is set, and its history.

A preview is made of what is in the form, by the public API; nothing is changed by it. Going back to
an earlier version sets it again, as a new one: the log only grows.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from contracts.policy_preview import DAYS_MAX
from domain.refusals import BY_CODE
from services.console import policy_form
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.comparing import Comparison, compare
from services.console.forms import WrongField
from services.console.pages import Page
from services.console.rendering import NANOS

VERSIONS_SHOWN: Final = 10
CONFLICT: Final = "version_conflict"
DAYS: Final = (1, 7, DAYS_MAX)
VERDICTS: Final = ("PASS", "THROTTLE", "DOWNGRADE", "DENY")
_NO_VERSION: Final = "version_unknown"


async def show(ask: Ask) -> web.StreamResponse:
    """Show the policy in force in a form, or what was written into it."""
    return await _page(ask)


async def preview(ask: Ask) -> web.StreamResponse:
    """Show what the policy in the form would have done with calls that were really made."""
    wanted: Json = {"policy": policy_form.read(ask.form)}
    days = ask.form.number("days")
    if days is not None:
        wanted["days"] = days
    with policy_form.faults_in_its_units():
        tried = await ask.post("policy/preview", wanted)
    return await _page(ask, tried=tried)


async def save(ask: Ask) -> web.StreamResponse:
    """Put the policy in the form in force."""
    policy = policy_form.read(ask.form)
    with policy_form.faults_in_its_units():
        receipt = await ask.do(
            "policy",
            "set",
            policy=policy,
            # The one that they saw: somebody else may have changed it meanwhile.
            expected_version=ask.form.number("expected_version"),
            note=ask.form.text("note"),
        )
    return ask.done("limits", "saved", receipt)


async def top_up(ask: Ask) -> web.StreamResponse:
    """Add prepaid credits."""
    said = ask.form.text("amount")
    if not said:
        raise WrongField("amount", "must not be empty")
    try:
        receipt = await ask.do(
            "budget",
            "top_up",
            amount_nanos=policy_form.grains("amount", said, NANOS),
            reason=ask.form.text("reason"),
        )
    except ApiProblem as problem:
        # The form's field has another name, and whole units of the currency.
        if any(error["field"] == "amount_nanos" for error in problem.problem["errors"] or []):
            raise WrongField("amount", "must be more than 0, and at most a million") from problem
        raise
    return ask.done("limits", "topped_up", receipt)


async def _page(ask: Ask, tried: Json | None = None) -> web.StreamResponse:
    live, versions, budget = await asyncio.gather(
        _live(ask),
        ask.get("policy/versions", limit=VERSIONS_SHOWN, cursor=ask.request.query.get("cursor")),
        _budget(ask),
    )
    in_force = policy_form.fields_of(live["policy"]) if live else None
    fields = policy_form.written(ask.form, in_force) if in_force else None
    is_conflict = ask.problem is not None and ask.problem.code == CONFLICT
    is_written = "expected_version" in ask.form.fields and not is_conflict
    return ask.page(
        "limits.html",
        live=live,
        budget=budget,
        versions=versions,
        fields=fields,
        theirs=_compared(ask, in_force, fields or {}) if is_conflict and in_force else None,
        expected=ask.form.text("expected_version")
        if is_written
        else (live["version"] if live else ""),
        modalities=policy_form.MODALITIES,
        rungs=policy_form.RUNGS,
        days=DAYS,
        tried=tried,
        verdicts=_verdicts(tried) if tried else (),
        changes=_changes(tried) if tried else (),
    )


async def _live(ask: Ask) -> Json | None:
    try:
        return await ask.get("policy")
    except ApiProblem as problem:
        if problem.code != _NO_VERSION:
            raise
        return None


async def _budget(ask: Ask) -> Json | None:
    return await ask.get("live/budget") if ask.may("budget") else None


def _verdicts(tried: Json) -> list[tuple[str, int, int]]:
    """How many calls were answered so, and would have been."""
    return [
        (
            verdict,
            sum(one["calls"] for one in tried["answers"] if one["recorded"] == verdict),
            sum(one["calls"] for one in tried["answers"] if one["proposed"] == verdict),
        )
        for verdict in VERDICTS
    ]


def _changes(tried: Json) -> list[Json]:
    """Which answers would have been others, the most frequent first, and why."""
    found = [
        {**one, "why": BY_CODE[one["proposed_code"]].message}
        if one["proposed_code"] in BY_CODE
        else {**one, "why": ""}
        for one in tried["answers"]
        if (one["recorded"], one["recorded_code"]) != (one["proposed"], one["proposed_code"])
    ]
    return sorted(found, key=lambda one: -one["calls"])


# -- versions ------------------------------------------------------------------------------


async def version(ask: Ask) -> web.StreamResponse:
    """Show a version beside another: the one in force, or the one that was chosen."""
    path = f"policy/versions/{ask.part('version')}"
    live, found = await asyncio.gather(ask.get("policy"), ask.get(path))
    before, after = (policy_form.fields_of(one["policy"]) for one in (found, live))
    texts = _compared(ask, before, after)
    return ask.page("policy_version.html", live=live, found=found, texts=texts)


def _compared(ask: Ask, before: Json, after: Json) -> Comparison:
    return compare(*(policy_form.lines_of(one, ask.words) for one in (before, after)))


async def revert(ask: Ask) -> web.StreamResponse:
    """Set an earlier version again, as a new one."""
    found = await ask.get(f"policy/versions/{ask.part('version')}")
    receipt = await ask.do(
        "policy",
        "set",
        policy=found["policy"],
        expected_version=ask.form.number("expected_version"),
        note=ask.form.text("note"),
    )
    return ask.done("limits", "reverted", receipt)


PAGE: Final = Page(
    "limits",
    "Cost & limits",
    "policy",
    show,
    {"preview": preview, "save": save, "top-up": top_up},
    within=(
        Page("versions/{version}", "", "policy", version, {"revert": revert}, names_people=True),
    ),
    names_people=True,
)
