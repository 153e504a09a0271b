"""
Questions about the seeded documents, each with the one source that answers it, and where in it.

They were written from the documents and before any ranking of theirs was looked at, as people ask:
in other words than the documents' for the most part, with voseo, sometimes by a number or a name,
and sometimes in the other language (*crosses*). A document that is like the one that answers does
not count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from services.twins.knowledge.catalogue import SEEDS

Language: TypeAlias = Literal["es", "en"]
_LANGUAGES: Final = {(seed.tenant, seed.source): seed.language for seed in SEEDS}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question; *source* answers it, under *heading*, in words that hold all of *answer*."""

    tenant: str
    language: Language
    text: str
    source: str
    heading: str
    answer: str

    @property
    def crosses(self) -> bool:
        """Whether it is asked in another language than its answer is written in."""
        return self.language != _LANGUAGES[self.tenant, self.source]


QUESTIONS: Final[tuple[Question, ...]] = msgspec.json.decode(
    Path(__file__).with_suffix(".json").read_bytes(), type=tuple[Question, ...]
)
