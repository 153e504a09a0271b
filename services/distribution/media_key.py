"""Where the deployment's LiveKit rooms are, and the key that signs for them."""

from __future__ import annotations

import re

import msgspec

from services.secret import Secret
from services.settings import Settings
from services.variables import SettingsError


class MediaKey(msgspec.Struct, frozen=True):
    """Where the rooms are, and the key that signs for them."""

    url: str
    key: str
    secret: Secret


def media_of(settings: Settings) -> MediaKey:
    """Where the rooms are; raises SettingsError that names what is missing."""
    for name, value in (
        ("VITO_LIVEKIT_URL", settings.livekit_url),
        ("VITO_LIVEKIT_KEY", settings.livekit_key),
        ("VITO_LIVEKIT_SECRET", settings.livekit_secret),
    ):
        if value is None:
            raise SettingsError(
                f"{name} is not set. An agent waits for conversations at a LiveKit server.",
                "set VITO_LIVEKIT_URL, VITO_LIVEKIT_KEY and VITO_LIVEKIT_SECRET.",
            )
    assert settings.livekit_url is not None, "just looked at"
    assert settings.livekit_key is not None, "just looked at"
    assert settings.livekit_secret is not None, "just looked at"
    url = re.sub("^http", "ws", settings.livekit_url)
    return MediaKey(url, settings.livekit_key, settings.livekit_secret)
