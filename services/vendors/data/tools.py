"""
Live data as tools of a language model.

    tools = LiveTools(LiveContext(gate, sportradar), LiveContext(gate, api_football), …)
    tools.described("es")                        what the model is told it may ask for
    await tools.run(call, language="es", …)      what it asked for; a failure is a sentence

Several vendors may answer one kind of question: the first is asked, and the next only when the one
before could not answer. Each call is metered. What comes back is data in an envelope that says so;
when there is none, a sentence that the twin can say in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from services import logs
from services.client.errors import CannotVerify, MalformedCommand, NotAllowed
from services.vendors.chat.model import Tool, ToolCall
from services.vendors.data.context import ContextData
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextStale,
    ContextTooFast,
    ContextUnavailable,
)
from services.vendors.data.context_query import ContextQuery, MatchQuery, NewsQuery
from services.vendors.data.foreign_text import foreign_line
from services.vendors.data.live_context import LiveContext
from services.vendors.data.tool_words import ENVELOPE, FIELDS, SENTENCES, TOOLS
from services.vendors.metered import Decided

Language: TypeAlias = Literal["es", "en"]
NAMES: Mapping[str, type[ContextQuery]] = {"football_matches": MatchQuery, "news": NewsQuery}
ARGUMENTS_BYTES_MAX = 4_096
FAULT_CHARS_MAX = 300
# What another vendor may be able to answer.
ANOTHER_MAY = (
    ContextUnavailable,
    ContextTooFast,
    ContextOverQuota,
    ContextNotAllowed,
    ContextStale,
)


class ToolResult(msgspec.Struct, frozen=True):
    """
    What a tool call came to. *text* goes to the model; *data* is what is in it.

    Without data, *code* says why: a code of `context_errors`, or `unknown_tool`, `bad_arguments`,
    `cannot_verify`. A refusal by the gate has the gate's own *refusal* code and status.
    """

    text: str
    data: ContextData | None = None
    code: str = ""
    refusal: str = ""
    status: int = 0


class LiveTools:
    """The tools of one twin: one for each kind of question that one of *contexts* answers."""

    def __init__(self, *contexts: LiveContext) -> None:
        self._contexts: dict[str, Sequence[LiveContext]] = {
            name: [one for one in contexts if one.adapter.answers is kind]
            for name, kind in NAMES.items()
        }

    def described(self, language: Language) -> list[Tool]:
        """Describe the tools that there are."""
        return [
            Tool(name, TOOLS[language][name], parameters(kind, language))
            for name, kind in NAMES.items()
            if self._contexts[name]
        ]

    async def run(
        self,
        call: ToolCall,
        *,
        language: Language = "en",
        session_id: str | None = None,
        max_delay_ms: int | None = None,
        decided: Decided | None = None,
    ) -> ToolResult:
        """
        Run what a model asked for. *decided* hears of each decision before its delay.

        Only cancellation is raised. Whatever else goes wrong becomes a sentence for the model.
        """
        contexts = self._contexts.get(call.name)
        if not contexts:
            known = ", ".join(tool.name for tool in self.described(language))
            return _said(language, "unknown_tool", tools=known)
        try:
            query = _read(NAMES[call.name], call.arguments)
        except ValueError as problem:
            detail = foreign_line(str(problem), FAULT_CHARS_MAX)
            return _said(language, "bad_arguments", detail=detail)
        try:
            data = await _first(contexts, query, session_id, max_delay_ms, decided)
        except ContextError as problem:
            return _failed(language, problem)
        except (CannotVerify, MalformedCommand, NotAllowed) as problem:
            logs.get().warning("context_unverified", tool=call.name, reason=str(problem))
            return _said(language, "cannot_verify")
        return ToolResult(_envelope(language, data), data)


async def _first(
    contexts: Sequence[LiveContext],
    query: ContextQuery,
    session_id: str | None,
    max_delay_ms: int | None,
    decided: Decided | None,
) -> ContextData:
    """Ask one vendor after the other; raises what the first one said when none has an answer."""
    first: ContextError | None = None
    for context in contexts:
        try:
            return await context.fetch_context(
                query, session_id=session_id, max_delay_ms=max_delay_ms, decided=decided
            )
        except ContextError as problem:
            if not _another_may(problem):
                if first is None:
                    raise
                raise first from problem
            logs.get().info("context_failed", provider_id=problem.provider_id, code=problem.code)
            first = first or problem
    assert first is not None, "a tool has a vendor"
    raise first


def _another_may(problem: ContextError) -> bool:
    # A question that never left names a match of another vendor, perhaps of the next.
    is_foreign = isinstance(problem, ContextBadQuery) and not problem.billed
    return is_foreign or isinstance(problem, ANOTHER_MAY)


def _read(kind: type[ContextQuery], arguments: str) -> ContextQuery:
    """Decode a model's arguments; raises ValueError that names the field and the rule."""
    if len(arguments) > ARGUMENTS_BYTES_MAX:
        raise ValueError(f"at most {ARGUMENTS_BYTES_MAX} bytes of arguments")
    try:
        said = msgspec.json.decode(arguments or "{}")
    except RecursionError as problem:
        raise ValueError("too deeply nested") from problem
    if isinstance(said, dict):
        # Models spell what they leave out in many ways.
        said = {name: value for name, value in said.items() if value not in (None, "")}
    return msgspec.convert(said, kind)


def _envelope(language: Language, data: ContextData) -> str:
    """Put the facts into words that say whose they are, how old, and that they are data."""
    told: dict[str, Any] = {
        "note": ENVELOPE[language],
        "attribution": data.attribution,
        "age_seconds": max(0, data.age_ms) // 1_000,
        "facts": data.facts,
    }
    if data.omitted > 0:
        told["not_shown"] = data.omitted
    if data.why_old:
        told["warning"] = SENTENCES[language]["old"]
    return msgspec.json.encode(told).decode()


def _failed(language: Language, problem: ContextError) -> ToolResult:
    decision = getattr(problem, "decision", None)
    refusal, status = (decision.code, decision.status) if decision is not None else ("", 0)
    wait = problem.retry_after_ms
    sentence = SENTENCES[language][problem.code]
    if wait:
        sentence = f"{sentence} {SENTENCES[language]['wait'].format(seconds=-(-wait // 1_000))}"
    return ToolResult(sentence, None, problem.code, refusal, status)


def _said(language: Language, code: str, **values: str) -> ToolResult:
    return ToolResult(SENTENCES[language][code].format(**values), None, code)


def parameters(kind: type[ContextQuery], language: Language) -> dict[str, Any]:
    """The JSON schema of a query's arguments, as plain as every model's tools allow."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return {
        "type": "object",
        "properties": {
            name: _plain(rules) | {"description": FIELDS[language][kind.__name__, name]}
            for name, rules in schema["properties"].items()
        },
        "required": schema["required"],
        "additionalProperties": False,
    }


def _plain(rules: dict[str, Any]) -> dict[str, Any]:
    # Left out instead of null; and no look-ahead in patterns, which few validators know.
    chosen = next((one for one in rules.get("anyOf", []) if one.get("type") != "null"), rules)
    kept = {name: chosen[name] for name in _KEPT if name in chosen}
    if "enum" in kept:
        kept["type"] = "string"
    if "pattern" in kept:
        kept["pattern"] = kept["pattern"].removesuffix("(?!\\n)")
    return kept


_KEPT = ("type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum")
