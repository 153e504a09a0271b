"""Where each vendor is: its own address, or its place in the sandbox when one stands for them."""

from __future__ import annotations

from typing import Final

from services.settings import Settings
from services.vendors import tavus

# Vendors whose address is the same for everybody. LiveKit's is the deployment's own.
BASE_URLS: Final[dict[str, str]] = {"tavus": tavus.BASE_URL}


def base_url(settings: Settings, vendor: str) -> str:
    """Return where *vendor* is spoken to; raises KeyError for one without an address."""
    if settings.sandbox_url is not None:
        return f"{settings.sandbox_url}/{vendor}"
    return BASE_URLS[vendor]
