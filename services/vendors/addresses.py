"""Where each vendor is: its own address, or its place in the sandbox when one stands for them."""

from __future__ import annotations

import re
from typing import Final

from services.settings import Settings
from services.variables import SettingsError
from services.vendors.face import tavus

# Vendors whose address is the same for everybody. LiveKit's is the deployment's own.
BASE_URLS: Final[dict[str, str]] = {"tavus": tavus.BASE_URL}


def base_url(settings: Settings, vendor: str) -> str:
    """
    Return where *vendor* is spoken to.

    Raises:
        KeyError: the vendor has no address.
        SettingsError: the deployment has to say where its LiveKit is.
    """
    if settings.sandbox_url is not None:
        return f"{settings.sandbox_url}/{vendor}"
    if vendor == "livekit":
        if settings.livekit_url is None:
            raise SettingsError(
                "VITO_LIVEKIT_URL is not set. It says where the twins' rooms are.",
                "set VITO_LIVEKIT_URL, or VITO_SANDBOX_URL to try it without an account.",
            )
        # The API is HTTP at the address of the WebSocket.
        return re.sub("^ws", "http", settings.livekit_url)
    return BASE_URLS[vendor]
