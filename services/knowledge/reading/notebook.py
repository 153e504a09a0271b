"""Takes down what a document says, in its order, and keeps the limits of all that is taken down."""

from __future__ import annotations

from collections import Counter
from typing import Final

from services.knowledge.document import Block, BlockKind, Flag, FlagKind, Place, Reading
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import hidden_characters
from services.knowledge.reading.instructions import instruction_in
from services.knowledge.reading.limits import Limits

# More of a kind than anybody looks at; how many more is said.
FLAGS_PER_KIND_MAX: Final = 50
TITLE_MAX: Final = 200
HEADING_MAX: Final = 300
LEVEL_MAX: Final = 9


class Notebook:
    """
    Blocks and flags of one document.

    Every text comes through here, so that no reader can forget to take hidden characters out. All
    methods raise IngestionProblem when a limit is passed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._blocks: list[Block] = []
        self._flags: list[Flag] = []
        self._flagged: Counter[FlagKind] = Counter()
        self._headings: list[tuple[int, str]] = []
        self._characters = 0

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """Take down a heading; what follows stands under it. *level* counts from 1."""
        level = min(max(level, 1), LEVEL_MAX)
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        seen = _on_one_line(self._seen(text, self._place(page)))
        if seen:
            self._keep(Block(kind="heading", text=seen, place=self._place(page), level=level))
            self._headings.append((level, seen[:HEADING_MAX]))

    def add(
        self, kind: BlockKind, text: str, *, page: int | None = None, second: int | None = None
    ) -> None:
        """Take down text that people see; its line feeds count in code only. Blanks are nothing."""
        place = self._place(page, second)
        seen = self._seen(text, place)
        if seen := seen if kind == "code" else _on_one_line(seen):
            self._keep(Block(kind=kind, text=seen, place=place))

    def hide(self, kind: FlagKind, text: str, *, page: int | None = None) -> None:
        """Flag text that people do not see: it is in no block."""
        if excerpt := hidden_characters.shown(text):
            self.flag(kind, excerpt, self._place(page))

    def flag(self, kind: FlagKind, excerpt: str, place: Place) -> None:
        """Flag something for whoever reviews."""
        self._flagged[kind] += 1
        if self._flagged[kind] <= FLAGS_PER_KIND_MAX:
            self._flags.append(Flag(kind=kind, excerpt=excerpt, place=place))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was taken down that anybody could use."""
        return not self._blocks

    @property
    def hides_text(self) -> bool:
        """Whether there is text in it that people do not see."""
        return any(self._flagged[kind] for kind in ("same_colour", "tiny", "not_shown"))

    def reading(self, media_type: str, title: str, *, pages: int = 0) -> Reading:
        """Close the notebook; raises IngestionProblem when it is empty."""
        if self.is_empty:
            raise IngestionProblem("no_text", _no_text(hides=self.hides_text))
        # It is put before people and models beside every chunk.
        name = _on_one_line(self._seen(title, Place()))[:TITLE_MAX]
        return Reading(
            media_type=media_type,
            title=name or self._first_heading(),
            blocks=tuple(self._blocks),
            flags=tuple(self._flags) + self._not_listed(),
            pages=pages,
        )

    def _first_heading(self) -> str:
        found = (block.text for block in self._blocks if block.kind == "heading")
        return next(found, "")[:TITLE_MAX]

    def _not_listed(self) -> tuple[Flag, ...]:
        return tuple(
            Flag(kind=kind, excerpt=f"… and {count - FLAGS_PER_KIND_MAX:,} more of this kind")
            for kind, count in sorted(self._flagged.items())
            if count > FLAGS_PER_KIND_MAX
        )

    def _path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._headings)

    def _place(self, page: int | None = None, second: int | None = None) -> Place:
        return Place(page=page, second=second, headings=self._path())

    def _seen(self, text: str, place: Place) -> str:
        # Before anything costly is done with it.
        self._characters += len(text)
        if self._characters > self._limits.characters_max:
            raise IngestionProblem(
                "too_large",
                f"It has more than {self._limits.characters_max:,} characters of text. Split it"
                " into several sources.",
            )
        cleaned = hidden_characters.clean(text)
        for kind, excerpt in cleaned.hidden:
            self.flag(kind, excerpt, place)
        if (instruction := instruction_in(cleaned.text)) is not None:
            self.flag("instruction", instruction, place)
        return cleaned.text

    def _keep(self, block: Block) -> None:
        if len(self._blocks) >= self._limits.blocks_max:
            raise IngestionProblem(
                "too_large",
                f"It has more than {self._limits.blocks_max:,} paragraphs and rows. Split it into"
                " several sources.",
            )
        self._blocks.append(block)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _no_text(*, hides: bool) -> str:
    if hides:
        return (
            "It has no text that people can see: what there is is hidden, or lies invisibly under"
            " scanned pictures, where nobody can check it. Export it with visible text."
        )
    return (
        "It has no text: it may be a scan, a picture, or empty. Run text recognition on it and"
        " export a document with visible text."
    )
