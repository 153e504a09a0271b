"""What a door says of a field, in words for whoever filled in the form."""

from __future__ import annotations

import re
from typing import Any, Final

# As msgspec says it, beside the English that people read; groups are values of the text.
_RULES: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"Expected `str` of length >= 1(?!\d).*", "This must not be empty."),
        (r"Expected `str` of length >= (?P<n>\d+).*", "This must have at least %(n)s characters."),
        (r"Expected `str` of length <= (?P<n>\d+).*", "This must have at most %(n)s characters."),
        (r"Expected `array` of length >= 1(?!\d).*", "At least one is needed."),
        (r"Expected `array` of length <= (?P<n>\d+).*", "There can be at most %(n)s."),
        (r"Expected `str` matching regex .*", "This is not written as it has to be."),
        (r"Expected `int` >= (?P<n>-?\d+).*", "This must be at least %(n)s."),
        (r"Expected `int` <= (?P<n>-?\d+).*", "This must be at most %(n)s."),
        (r"Expected `int`.*, got `\w+`", "This must be a whole number."),
        (r"Object missing required field .*", "This is needed."),
        (r"Invalid enum value .*", "This is none of the values that it can have."),
    )
)
# Remedies for programs.
_FOR_PROGRAMS: Final = re.compile(r"(Fields: .*|See /openapi\.json\.)")


def in_plain(error: dict[str, Any]) -> dict[str, Any]:
    """Return a fault of a field with `rule` as a text and `values` to be put into it."""
    remedy = "" if _FOR_PROGRAMS.fullmatch(error["remedy"]) else error["remedy"]
    for pattern, text in _RULES:
        found = pattern.fullmatch(error["rule"])
        if found:
            return {**error, "rule": text, "values": found.groupdict(), "remedy": remedy}
    return {**error, "values": {}, "remedy": remedy}
