"""
A policy as fields of a form, named like the parts of the document, so that faults find them.

People write calls, seconds, percent and money; the document has thousandths and nanos. Nothing is
rounded on the way: what the document could not hold exactly is a fault of its field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from contracts.policy import Policy
from services.console.api import ApiProblem, Json
from services.console.forms import Form, WrongField
from services.console.languages import Words
from services.console.policy_words import OVERFLOW_WORDS, WORDS
from services.console.rendering import NANOS

MODALITIES: Final = ("video", "voice", "text", "data")
RUNGS: Final = ("video", "voice", "text")
# More than any field may hold; "1e99" is no reason to reckon for long.
_GRAINS_MAX: Final = 10**18


@dataclass(frozen=True, slots=True)
class Number:
    """A field that is a number: *scale* of the document's are one of the form's."""

    scale: int = 1
    is_required: bool = True


_OPTIONAL: Final = Number(is_required=False)
NUMBERS: Final[Mapping[str, Number]] = {
    "policy.rate.requests": Number(),
    "policy.rate.period_ms": Number(1_000),
    "policy.rate.burst": Number(),
    "policy.rate.queue_max_delay_ms": Number(1_000),
    "policy.budget.monthly_hard_limit_nanos": Number(NANOS),
    "policy.budget.soft_cap_permille": Number(10, is_required=False),
    "policy.quotas.video_minute_units": _OPTIONAL,
    "policy.quotas.voice_minute_units": _OPTIONAL,
    "policy.quotas.text_token_units": _OPTIONAL,
    "policy.quotas.data_requests": _OPTIONAL,
    "policy.session.max_minute_units": _OPTIONAL,
    "policy.session.max_token_units": _OPTIONAL,
    "policy.session.max_seconds": _OPTIONAL,
    "policy.unit_weights.token_unit_milli": Number(1_000),
    "policy.unit_weights.minute_unit_milli": Number(1_000),
    "policy.unit_weights.interaction_unit_milli": Number(1_000),
}
TEXTS: Final = (
    "policy.rate.overflow",
    "policy.budget.soft_cap_modality",
    "policy.time_zone",
    "policy.currency",
)
LISTS: Final = ("policy.modalities", "policy.ladder")


def read(form: Form) -> Json:
    """Return the document that a form says; raises WrongField."""
    found: Json = {}
    for name, kind in NUMBERS.items():
        number = _number(name, kind, form.text(name))
        if number is not None:
            _put(found, name, number)
    for name in TEXTS:
        _put(found, name, form.text(name))
    for name in LISTS:
        _put(found, name, form.texts(name))
    policy: Json = found["policy"]
    return policy


def _number(name: str, kind: Number, said: str) -> int | None:
    if not said:
        if kind.is_required:
            raise WrongField(name, "must not be empty")
        return None
    return grains(name, said, kind.scale)


def grains(name: str, said: str, scale: int) -> int:
    """Read a number as so many grains, *scale* to one; raises WrongField where it is not whole."""
    try:
        number = Decimal(said) * scale
    except ArithmeticError:
        number = Decimal("NaN")
    if number.is_nan():
        raise WrongField(name, "must be a number like 12 or 0.5")
    if abs(number) >= _GRAINS_MAX:
        raise WrongField(name, "is too large")
    if number != number.to_integral_value():
        raise WrongField(name, "has more decimals than can be kept")
    return int(number)


@contextmanager
def faults_in_its_units() -> Iterator[None]:
    """Have what the API refuses said in the units of the form: seconds, and not milliseconds."""
    try:
        yield
    except ApiProblem as problem:
        for error in problem.problem["errors"] or []:
            kind, bound = NUMBERS.get(error["field"]), error["values"].get("n", "")
            if kind is not None and bound:
                error["values"]["n"] = spelled(int(bound), kind.scale)
        raise


def _put(found: Json, name: str, value: object) -> None:
    *path, last = name.split(".")
    for part in path:
        found = found.setdefault(part, {})
    found[last] = value


def fields_of(document: Json) -> dict[str, Any]:
    """Return what a form shows for a document: a text, or the names in a list."""
    whole = {"policy": _with_defaults(msgspec.convert(document, Policy))}
    found: dict[str, Any] = {}
    for name in (*NUMBERS, *TEXTS, *LISTS):
        value: Any = whole
        for part in name.split("."):
            value = value[part]
        kind = NUMBERS.get(name)
        found[name] = value if kind is None else spelled(value, kind.scale)
    return found


def _with_defaults(part: msgspec.Struct) -> dict[str, Any]:
    # A document leaves out what is as by default.
    return {
        name: _with_defaults(value) if isinstance(value, msgspec.Struct) else value
        for name, value in msgspec.structs.asdict(part).items()
    }


def spelled(value: int | None, scale: int) -> str:
    """Write grains as a number for a form, with the decimals that it has."""
    if value is None:
        return ""
    text = f"{Decimal(value) / scale:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(form: Form, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form had in its fields, or *shown* where it was not sent."""
    if "expected_version" not in form.fields:
        return dict(shown)
    return {name: form.texts(name) if name in LISTS else form.text(name) for name in shown}


def lines_of(fields: Mapping[str, Any], words: Words) -> str:
    """Write the fields one a line, in their units, so that documents can be put side by side."""
    return "\n".join(
        f"{words(WORDS[name])}: {_in_words(name, value, words)}".rstrip()
        for name, value in fields.items()
    )


def _in_words(name: str, value: Any, words: Words) -> str:
    if name in LISTS:
        return ", ".join(words(one) for one in value)
    if name == "policy.rate.overflow":
        return words(OVERFLOW_WORDS.get(value, value))
    return words(value) if name == "policy.budget.soft_cap_modality" and value else str(value or "")
