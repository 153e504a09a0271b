"""
Letting somebody into a room in which a twin will talk with them.

    token = invitation(media, job, room="cantor-7f3a", identity="ana", deployment="production")

The token says which agent is to come, and what it is told; LiveKit calls it when the room is made.
It is signed, so whoever holds it can choose neither another twin nor another session.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec
from livekit import api

from contracts.agent_job import AgentJob, agent_name
from services.agent.face import MediaKey
from services.secret import Secret

TTL: Final = timedelta(minutes=2)
# The visitor, the twin and its face.
PARTICIPANTS_MAX: Final = 3
# A room that nobody comes to, or that everybody has left, is forgotten after so long.
EMPTY_S: Final = 60
LEFT_S: Final = 5


def invitation(
    media: MediaKey, job: AgentJob, *, room: str, identity: str, deployment: str
) -> Secret:
    """Return a token for *identity*; it has to be used within two minutes."""
    told = msgspec.structs.replace(job, visitor=identity)
    dispatch = api.RoomAgentDispatch(
        agent_name=agent_name(deployment), metadata=msgspec.json.encode(told).decode()
    )
    configuration = api.RoomConfiguration(
        empty_timeout=EMPTY_S,
        departure_timeout=LEFT_S,
        max_participants=PARTICIPANTS_MAX,
        agents=[dispatch],
    )
    grants = api.VideoGrants(
        room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True
    )
    token = (
        api.AccessToken(media.key, media.secret.reveal())
        .with_identity(identity)
        .with_ttl(TTL)
        .with_grants(grants)
        .with_room_config(configuration)
    )
    return Secret(token.to_jwt())
