"""The file that a form brings, or what is wrong with it before it is read."""

from __future__ import annotations

from typing import Final

from contracts.lookup import UPLOAD_BYTES_MAX
from services.console.api import ApiProblem
from services.console.asking import Ask
from services.console.forms import File, WrongField
from services.query_api.problems import BODY_TOO_LARGE

# Of the other fields, and of what parts a form.
_BESIDE_BYTES: Final = 1 << 18


def brought(ask: Ask) -> File:
    """Return the file of the form; raises ApiProblem, also for one that says it is too large."""
    if (ask.request.content_length or 0) > UPLOAD_BYTES_MAX + _BESIDE_BYTES:
        raise ApiProblem(BODY_TOO_LARGE.status, {"code": BODY_TOO_LARGE.code})
    if ask.form.file is None:
        raise WrongField("file", "must be chosen")
    return ask.form.file
