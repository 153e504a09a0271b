"""
Letting somebody into a room in which a twin will talk with them.

    token = invitation(media, job, room="cantor-7f3a", identity="ana", deployment="production")

The token says which agent is to come, and what it is told; LiveKit calls it when the room is made.
It is signed, so whoever holds it can choose neither another twin nor another session. It takes none
of LiveKit's own packages, so every door can make one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from contracts.agent_job import AgentJob, agent_name
from services.distribution.media_key import MediaKey
from services.secret import Secret
from services.vendors.face.livekit_token import ApiKey

TTL_S: Final = 120
# The visitor, the twin and its face.
PARTICIPANTS_MAX: Final = 3
# A room that nobody comes to, or that everybody has left, is forgotten after so long.
EMPTY_S: Final = 60
LEFT_S: Final = 5


def invitation(
    media: MediaKey,
    job: AgentJob,
    *,
    room: str,
    identity: str,
    deployment: str,
    clock_s: Callable[[], float] = time.time,
) -> Secret:
    """Return a token for *identity*; it has to be used within two minutes. Raises KeyUnusable."""
    told = msgspec.structs.replace(job, visitor=identity)
    agent = {
        "agentName": agent_name(deployment),
        "metadata": msgspec.json.encode(told).decode(),
    }
    claims = {
        "sub": identity,
        "name": identity,
        "video": {
            "room": room,
            "roomJoin": True,
            "canPublish": True,
            "canSubscribe": True,
            "canPublishData": True,
        },
        "roomConfig": {
            "emptyTimeout": EMPTY_S,
            "departureTimeout": LEFT_S,
            "maxParticipants": PARTICIPANTS_MAX,
            "agents": [agent],
        },
    }
    pair = ApiKey(Secret(f"{media.key}:{media.secret.reveal()}"))
    return pair.token(claims, now_s=int(clock_s()), ttl_s=TTL_S)
