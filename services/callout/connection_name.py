"""
What the servers call a connection that was let in: `<principal>@<tenant>`, and `/<session>`.

It stands in their lists and logs, and says all that is needed to find what may not stay. Static
roles have no `@`.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from contracts.message import ID_PATTERN, TENANT_PATTERN

_NAME = re.compile(rf"({ID_PATTERN})@({TENANT_PATTERN})(?:/({ID_PATTERN}))?")


class ConnectionName(NamedTuple):
    """Who is connected. *session*: as the directory names it, or empty."""

    principal: str
    tenant: str
    session: str = ""

    def __str__(self) -> str:
        return f"{self.principal}@{self.tenant}{f'/{self.session}' if self.session else ''}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read a name; None for one that the callout did not give."""
        match = _NAME.fullmatch(text)
        return None if match is None else cls(match[1], match[2], match[3] or "")
