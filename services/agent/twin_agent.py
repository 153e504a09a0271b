"""What the agents library is told of a twin: its instructions, and its live data as tools."""

from __future__ import annotations

from typing import Final

from livekit.agents import Agent, RunContext, llm

from services.agent.spoken import arguments_of
from services.agent.talk import Talk
from services.vendors.chat.model import Tool, ToolCall
from services.vendors.data.tools import LiveTools

# What a visitor waits for at most while live data are throttled.
TOOL_DELAY_MS_MAX: Final = 2_000


class TwinAgent(Agent):
    """The twin, as the library knows it. What it may do is decided in its components."""

    def __init__(self, talk: Talk, instructions: str, tools: LiveTools | None) -> None:
        offered = tools.described(talk.language) if tools is not None else []
        super().__init__(
            instructions=instructions,
            tools=[_tool(talk, tools, one) for one in offered if tools is not None],
        )


def _tool(talk: Talk, tools: LiveTools, described: Tool) -> llm.Tool:
    async def run(raw_arguments: dict[str, object], context: RunContext[None]) -> str:
        call = ToolCall(context.function_call.call_id, described.name, arguments_of(raw_arguments))
        found = await tools.run(
            call,
            language=talk.language,
            session_id=talk.session_id,
            max_delay_ms=TOOL_DELAY_MS_MAX,
        )
        return found.text

    schema = {
        "name": described.name,
        "description": described.description,
        "parameters": dict(described.parameters),
    }
    return llm.function_tool(run, raw_schema=schema)
