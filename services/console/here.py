"""What a console knows of the deployment that it is part of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def _now_us() -> int:
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Here:
    """
    *environment* is what API keys name, see `services.identity.api_key`.

    *clock* counts microseconds since 1970. *gateway_url* is where browsers reach the gateway, if
    that is known.
    """

    environment: str = "vito"
    clock: Callable[[], int] = _now_us
    gateway_url: str = ""
