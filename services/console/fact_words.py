"""What led to a decision, in words: its facts have the names and the units of programs."""

from __future__ import annotations

from typing import Any, Final

from domain.refusals import BY_CODE
from services.console.languages import Words
from services.console.rendering import Figures

# Without the unit that a name ends with.
WORDS: Final = {
    "blocked_until": "Blocked until",
    "current_version": "Version in force",
    "expires_at": "Expires",
    "label": "Label",
    "limit": "Limit",
    "needed": "Needed",
    "needed_role": "Role that it takes",
    "note": "Note",
    "origin": "Origin",
    "previous": "Before",
    "previous_version": "Version before",
    "reason": "Reason",
    "role": "Role",
    "rule": "Rule",
    "stepped_down_for": "Stepped down because",
    "unapproved": "Not approved any more",
    "version": "Version",
    "was": "Was",
    "why": "Because",
}
_PER_MS: Final = 1_000
_PERMILLE: Final = 1_000
_UNITS: Final = ("_nanos", "_permille", "_us", "_ms")


def label(name: str, words: Words) -> str:
    """Name a fact; one that has no words is told apart by the words of its own name."""
    unit = next((one for one in _UNITS if name.endswith(one)), "")
    bare = name.removesuffix(unit)
    return words(WORDS[bare]) if bare in WORDS else bare.replace("_", " ")


def value(name: str, said: Any, words: Words, figures: Figures, currency: str) -> str:
    """Write what a fact is: money, moments and times in their units, words in theirs."""
    if isinstance(said, int) and not isinstance(said, bool):
        return _figure(name, said, figures, currency)
    if isinstance(said, list):
        return ", ".join(words(str(one)) for one in said)
    return because(said, words) if isinstance(said, str) else str(said)


def because(code: str, words: Words) -> str:
    """Say why: the code of a refusal as a clause of a sentence, any other word as it is."""
    refusal = BY_CODE.get(code)
    return words(refusal.message).rstrip(".") if refusal else words(code)


def _figure(name: str, said: int, figures: Figures, currency: str) -> str:
    if name.endswith("_nanos"):
        return figures.money(said, currency)
    if name.endswith("_permille"):
        return figures.percent(said, _PERMILLE)
    if name.endswith(("_at_us", "_until_us")):
        return figures.moment(said)
    if name.endswith("_us"):
        return f"{figures.quantity(said, _PER_MS)} ms"
    return f"{figures.quantity(said)} ms" if name.endswith("_ms") else str(said)
