"""How the model of a deployment's vectors is named in its settings."""

from __future__ import annotations

import re
from typing import Final

DIMENSIONS_MAX: Final = 3_900
_IS_CHOICE: Final = re.compile(
    r"offline|openai:[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[1-9][0-9]{0,3}"
).fullmatch


def embedding_model(text: str) -> str:
    """Check a choice; raises ValueError."""
    dimensions = text.rpartition(":")[2]
    if _IS_CHOICE(text) is None:
        raise ValueError
    if dimensions.isdigit() and int(dimensions) > DIMENSIONS_MAX:
        raise ValueError
    return text
