"""System prompt: versions that are saved, and which of them is live."""

from __future__ import annotations

from typing import Final

from contracts.commit import AnyEvent
from contracts.prompt import (
    ActivatePrompt,
    PromptActivated,
    PromptRolledBack,
    PromptSaved,
    RollBackPrompt,
    SavePrompt,
)
from contracts.questions import Fault, PreviewPrompt, PromptPreview
from contracts.views import PromptVersion, PromptView
from domain import versions
from domain.refusals import PROMPT_INVALID, TWIN_UNKNOWN
from domain.refusing import refuse
from domain.rendering import faults_in_template, render
from domain.state import Decisions, Envelope, State, head


def save(state: State, command: SavePrompt, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    expected, base = command.expected_version, command.base_version
    stopped = versions.why_not_saved(state.prompts, expected, base)
    if stopped is not None:
        return [refuse(state, command, envelope, *stopped)]
    faults = faults_in_template(command.text, command.variables)
    if faults:
        return [refuse(state, command, envelope, PROMPT_INVALID, _facts(faults[0]))]
    return [
        PromptSaved(
            *head(state, command, envelope),
            state.prompts.latest + 1,
            expected if base is None else base,
            command.text,
            command.variables,
            command.note,
            envelope.actor,
        )
    ]


def activate(state: State, command: ActivatePrompt, envelope: Envelope) -> list[AnyEvent]:
    return _put_in_force(state, command, envelope, PromptActivated)


def roll_back(state: State, command: RollBackPrompt, envelope: Envelope) -> list[AnyEvent]:
    return _put_in_force(state, command, envelope, PromptRolledBack)


def _put_in_force(
    state: State,
    command: ActivatePrompt | RollBackPrompt,
    envelope: Envelope,
    event: type[PromptActivated | PromptRolledBack],
) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    version, expected = command.version, command.expected_active
    stopped = versions.why_not_in_force(state.prompts, version, expected)
    if stopped is not None:
        return [refuse(state, command, envelope, *stopped)]
    return [
        event(
            *head(state, command, envelope),
            version,
            state.prompts.active,
            command.reason,
            envelope.actor,
        )
    ]


def evolve(state: State, event: PromptSaved | PromptActivated | PromptRolledBack) -> None:
    """Apply one fact about the system prompt."""
    if isinstance(event, PromptSaved):
        versions.saved(state.prompts, event)
    else:
        versions.put_in_force(
            state.prompts,
            event.version,
            at_us=event.at_us,
            actor=event.actor,
            decision=event.decision,
        )


# -- Questions -----------------------------------------------------------------


def prompt_view(state: State, _now_us: int) -> PromptView:
    """Show the live version and the latest one."""
    prompts = state.prompts
    return PromptView(
        tenant=state.name,
        position=state.position,
        active=_shown(prompts.kept.get(prompts.active)),
        active_by=prompts.active_by,
        active_since_us=prompts.active_since_us or None,
        latest=_shown(prompts.kept.get(prompts.latest)),
        kept_from=versions.kept_from(prompts),
        active_decision=prompts.active_decision,
    )


def preview(state: State, question: PreviewPrompt) -> PromptPreview:
    """Render a version, or a text that is not saved yet."""
    version: int | None = None
    text, variables = question.text, question.variables
    if text is None:
        version = state.prompts.latest if question.version is None else question.version
        found = state.prompts.kept.get(version)
        if found is None:
            rule = f"version {version} is not kept here; see the list of versions"
            return _previewed(state, version, None, [Fault("version", rule)])
        text, variables = found.text, found.variables
    rendered = render(text, variables, question.values)
    return _previewed(state, version, rendered.text, rendered.faults)


def _previewed(
    state: State, version: int | None, text: str | None, faults: list[Fault]
) -> PromptPreview:
    return PromptPreview(
        tenant=state.name, position=state.position, version=version, text=text, faults=faults
    )


def _shown(saved: PromptSaved | None) -> PromptVersion | None:
    if saved is None:
        return None
    return PromptVersion(
        version=saved.version,
        base_version=saved.base_version,
        text=saved.text,
        variables=saved.variables,
        note=saved.note,
        author=saved.actor,
        saved_at_us=saved.at_us,
    )


def _facts(fault: Fault) -> dict[str, int | str]:
    return {"field": fault.field, "rule": fault.rule}


COMMANDS: Final[Decisions] = {
    SavePrompt: (save, PromptSaved),
    ActivatePrompt: (activate, PromptActivated),
    RollBackPrompt: (roll_back, PromptRolledBack),
}
