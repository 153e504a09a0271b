"""Identity and purpose as forms write them. Fields are named as in the command: `identity.tone`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from contracts.twin import ConversionGoal
from services.console.api import Json
from services.console.forms import Form

GOALS: Final[tuple[str, ...]] = get_args(ConversionGoal)

UNNAMED: Final = frozenset({"voice", "face"})


@dataclass(frozen=True, slots=True)
class Document:
    """A part of the DNA: its *texts*, and the *lists* that have one entry a line."""

    name: str
    texts: tuple[str, ...]
    lists: tuple[str, ...] = ()

    def newest(self, view: Json) -> Json | None:
        """Return the version that an edit starts from: the latest there is."""
        found: Json | None = view["purpose"] if self is PURPOSE else view["draft"] or view["live"]
        return found


IDENTITY: Final = Document(
    "identity",
    ("tone", "pacing", "language", "accent", "voice", "face"),
    ("signature_phrases",),
)
PURPOSE: Final = Document("purpose", ("audience", "conversion_goal", "call_to_action", "goal_note"))


def read_document(document: Document, form: Form) -> Json:
    """Read what was written, as the command has it."""
    written_in = {name: form.text(f"{document.name}.{name}") for name in document.texts}
    # The contract knows a vendor's name or none, and no empty one.
    texts = {name: text for name, text in written_in.items() if text or name not in UNNAMED}
    return texts | {name: _lines(form.text(f"{document.name}.{name}")) for name in document.lists}


def written(document: Document, saved: Json) -> dict[str, str]:
    """Write a version into the fields of a form."""
    texts = {f"{document.name}.{name}": saved.get(name, "") for name in document.texts}
    lists = {f"{document.name}.{name}": "\n".join(saved.get(name, [])) for name in document.lists}
    return texts | lists


def changed(document: Document, saved: Json, form: Form) -> list[tuple[str, str, str]]:
    """Return each field in which what is saved and what was written differ, with both."""
    ours, theirs = written(document, read_document(document, form)), written(document, saved)
    return [(name, theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]
