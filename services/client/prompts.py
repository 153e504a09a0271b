"""Prompts and topics: writing them, and being told of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import cast

from contracts.bundle import BundleView
from contracts.prompt import (
    ActivatePrompt,
    RollBackPrompt,
    SavePrompt,
    Variable,
    VariableValue,
)
from contracts.questions import CheckTopics, PreviewPrompt, PromptPreview, TopicsCheck
from contracts.replies import Receipt
from contracts.topics import RollBackTopics, SetTopics, Topic
from services.client.bundles import ASK_AGAIN_S, PushBus, follow
from services.client.sender import Sender, new_id


class Prompts(Sender):
    """Save, activate and roll back what a twin is told, and hear of it as its agent."""

    async def save_prompt(
        self,
        text: str,
        *,
        expected_version: int,
        variables: Sequence[Variable] = (),
        base_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Keep a new version; `receipt.version` is its number."""
        return await self.tell(
            SavePrompt(
                command_id=command_id or new_id(),
                text=text,
                expected_version=expected_version,
                variables=list(variables),
                base_version=base_version,
                note=note,
            )
        )

    async def activate_prompt(
        self,
        version: int,
        *,
        expected_active: int | None = None,
        reason: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Make a version the live one."""
        return await self.tell(
            ActivatePrompt(
                command_id=command_id or new_id(),
                version=version,
                expected_active=expected_active,
                reason=reason,
            )
        )

    async def roll_back_prompt(
        self,
        version: int,
        *,
        expected_active: int | None = None,
        reason: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Make a version the live one again."""
        return await self.tell(
            RollBackPrompt(
                command_id=command_id or new_id(),
                version=version,
                expected_active=expected_active,
                reason=reason,
            )
        )

    async def preview_prompt(
        self, values: Mapping[str, VariableValue], *, version: int | None = None
    ) -> PromptPreview:
        """Render a version (the latest without a number) with values."""
        return await self._ask(PreviewPrompt(version=version, values=dict(values)), PromptPreview)

    async def preview_draft(
        self, text: str, variables: Sequence[Variable], values: Mapping[str, VariableValue]
    ) -> PromptPreview:
        """Render a text that is not saved yet."""
        draft = PreviewPrompt(text=text, variables=list(variables), values=dict(values))
        return await self._ask(draft, PromptPreview)

    async def set_topics(
        self,
        topics: Sequence[Topic],
        *,
        expected_version: int,
        base_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Replace the prohibited topics; they are in force at once."""
        return await self.tell(
            SetTopics(
                command_id=command_id or new_id(),
                topics=list(topics),
                expected_version=expected_version,
                base_version=base_version,
                note=note,
            )
        )

    async def roll_back_topics(
        self,
        version: int,
        *,
        expected_active: int | None = None,
        reason: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Put a version of the topics in force again."""
        return await self.tell(
            RollBackTopics(
                command_id=command_id or new_id(),
                version=version,
                expected_active=expected_active,
                reason=reason,
            )
        )

    async def check_topics(self, text: str) -> TopicsCheck:
        """Search up to 4,000 characters for the topics in force; `domain.topics` does it here."""
        return await self._ask(CheckTopics(text=text), TopicsCheck)

    def bundles(self, *, again_s: float = ASK_AGAIN_S) -> AsyncGenerator[BundleView, None]:
        """
        Yield the bundle in force, and every newer one as soon as it is in force; without end.

        Close the iterator (`contextlib.aclosing`) when the session ends. After the first bundle it
        raises only Refused: this client may not know of the twin any more.
        """
        bus = cast("PushBus", self._bus)
        return follow(bus, self.tenant, lambda: self.show(BundleView), again_s=again_s)
