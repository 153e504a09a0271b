"""
What a LiveKit job says to the agent that takes it: the metadata of its dispatch, as JSON.

Whoever lets a visitor into a room writes it into the visitor's token (room configuration, agents),
signed with the LiveKit secret, so a visitor cannot choose another twin or session. And what the
agent and the visitor's page say to each other in the room, beside LiveKit's own topics.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from contracts.deployment import DeploymentId
from contracts.message import TENANT_PATTERN, whole
from contracts.prompt import VARIABLES_MAX, VariableName, VariableValue
from contracts.session import Rung, SessionId

JOB_BYTES_MAX: Final = 16_384
_AGENT: Final = "vito-"
# The agent calls it on the visitor's page, which shows the text and answers SHOWN.
DISCLOSE: Final = "vito.disclose"
SHOWN: Final = "shown"
# A text stream: on which rung the session is, each time that changes.
STATE_TOPIC: Final = "vito.state"


class AgentJob(msgspec.Struct, frozen=True, kw_only=True):
    """
    One conversation to be held. *session_id* is new; of a visitor it is the visitor's own.

    *visitor* is the identity in the room of who is talked with; empty: the first who comes.
    *on_behalf* is who asked for it, as the gate knows them; it holds the session to their rights.
    *voice* and *face* are the vendors' names for those of a twin whose identity names none.
    """

    tenant: Annotated[str, msgspec.Meta(pattern=whole(TENANT_PATTERN))]
    session_id: SessionId
    modality: Rung = "voice"
    deployment: DeploymentId | None = None
    language: Annotated[str, msgspec.Meta(max_length=35)] = ""
    visitor: Annotated[str, msgspec.Meta(max_length=256)] = ""
    voice: Annotated[str, msgspec.Meta(max_length=128)] = ""
    face: Annotated[str, msgspec.Meta(max_length=128)] = ""
    persona: Annotated[str, msgspec.Meta(max_length=128)] = ""
    values: Annotated[
        dict[VariableName, VariableValue], msgspec.Meta(max_length=VARIABLES_MAX)
    ] = {}
    on_behalf: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be shown before anything else, in JSON to the page; *language* is BCP 47."""

    version: int
    text: str
    language: str = ""


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """On which rung the session is now; *code* says why: the gate's refusal, or what made room."""

    modality: Rung
    code: str


def agent_name(deployment: str) -> str:
    """Under which name the agents of a deployment wait for jobs: no others are given them."""
    return f"{_AGENT}{deployment}"


def job_of(metadata: str) -> AgentJob:
    """Read a job; raises ValueError that names the field and the rule."""
    if len(metadata.encode()) > JOB_BYTES_MAX:
        raise ValueError(f"the metadata of a job has at most {JOB_BYTES_MAX} bytes")
    return msgspec.json.decode(metadata, type=AgentJob)
