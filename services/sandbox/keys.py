"""Which API keys the vendors of the sandbox accept."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

DEFAULT_PREFIX = "sandbox-"


class Keys:
    """
    The accepted keys by vendor.

    By default a vendor has one, `sandbox-<vendor>`; *more* adds others, one for each customer that
    a test plays. They are no secrets: the sandbox listens on loopback and spends nothing.
    """

    def __init__(self, more: Mapping[str, Iterable[str]] | None = None) -> None:
        self._more = {vendor: frozenset(keys) for vendor, keys in (more or {}).items()}

    def of(self, vendor: str) -> frozenset[str]:
        """Every key that *vendor* accepts."""
        return self._more.get(vendor, frozenset()) | {default_key(vendor)}

    def accepts(self, vendor: str, shown: str) -> bool:
        """Whether *vendor* knows the key."""
        return any(hmac.compare_digest(key.encode(), shown.encode()) for key in self.of(vendor))


def default_key(vendor: str) -> str:
    """The key that a vendor of the sandbox always accepts."""
    return f"{DEFAULT_PREFIX}{vendor}"


def last_four(key: str) -> str:
    """What the ledger keeps of a key, as vendors show theirs."""
    return key[-4:] if len(key) > 4 else ""  # noqa: PLR2004 - as the name says
