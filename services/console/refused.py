"""
What was refused lately, for whoever governs the twin: each reason once, and what to do about it.

The remedy that a refusal carries is for whoever made the call, who is mostly a program. Who reads a
page can change what refused it, so the commonest reasons have advice of their own, with the page
where it is followed; the others keep their remedy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from services.console.api import Json

_LIMITS: Final = ("limits", "Cost & limits")
_PRICES: Final = ("integrations/prices", "Integrations")
_WHERE: Final = ("distribution", "Distribution")
_DNA: Final = ("dna", "DNA & onboarding")


class Advice(NamedTuple):
    """What to do, and the page to do it on: its path below the twin, and its title."""

    text: str
    page: str = ""
    title: str = ""


ADVICE: Final[dict[str, Advice]] = {
    "rate_limited": Advice(
        "More calls came at once than the rate allows. If it happens often, raise the rate.",
        *_LIMITS,
    ),
    "monthly_hard_limit_reached": Advice(
        "The money of the month is spent or held. Top up credits, or raise the limit.", *_LIMITS
    ),
    "quota_exhausted": Advice(
        "The quota of the month is used up, and nothing cheaper was accepted. Raise the quota, or"
        " let calls step down.",
        *_LIMITS,
    ),
    "soft_cap_reached": Advice(
        "From the soft cap on only cheaper ways to talk are granted. Raise the cap, or let calls"
        " step down.",
        *_LIMITS,
    ),
    "session_limit_reached": Advice(
        "A session has used what one may use. Raise the limits of a session if they are too low.",
        *_LIMITS,
    ),
    "modality_not_allowed": Advice(
        "This way to talk is switched off. Tick it where it is allowed.", *_LIMITS
    ),
    "not_priced": Advice("Add the price of this product to the price book.", *_PRICES),
    "deployment_disabled": Advice("Switch the deployment on again.", *_WHERE),
    "deployment_expired": Advice("Give the deployment a later end, or none.", *_WHERE),
    "origin_not_allowed": Advice(
        "Somebody has embedded the twin elsewhere. If that is right, add the origin to the"
        " deployment.",
        *_WHERE,
    ),
    "disclosure_due": Advice(
        "A program has called before it showed the disclosure. Whoever made it has to correct it.",
        *_WHERE,
    ),
    "twin_not_activated": Advice("Finish the onboarding: an Owner signs the twin off.", *_DNA),
    "twin_suspended": Advice("Wake the twin on its overview.", "", "Overview"),
    "twin_sleeping": Advice("Wake the twin on its overview.", "", "Overview"),
    "too_many_holds": Advice(
        "Very many calls are open at once. They are settled, or run out by themselves."
    ),
}


class Reason(msgspec.Struct, frozen=True):
    """One reason, how often it was given, and its last decision. *advice* None: see its remedy."""

    last: Json
    times: int
    advice: Advice | None


def reasons(decisions: Iterable[Json]) -> list[Reason]:
    """Group refusals, newest first, by what refused them; the newest reason first."""
    found: dict[str, list[Any]] = {}
    for one in decisions:
        found.setdefault(one["code"], []).append(one)
    return [Reason(same[0], len(same), ADVICE.get(code)) for code, same in found.items()]
