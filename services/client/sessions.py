"""Sessions: running them, stopping them, and being told of what happens to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from contracts.questions import FindSessions
from contracts.replies import Receipt
from contracts.session import (
    LEASE_MS,
    BeatSession,
    BeginSession,
    CloseReason,
    EndSession,
    KillAllSessions,
    KillSession,
    Notice,
    Rung,
    SessionsFound,
    ShowDisclosure,
    StepSession,
)
from services.client.bundles import PushBus
from services.client.sender import Sender, new_id
from services.client.session_changes import ASK_AGAIN_S, Running, SessionChange, follow


class Sessions(Sender):
    """Open, disclose, keep alive, step and end sessions, and hear of their ends."""

    async def open_session(
        self,
        session_id: str,
        modality: Rung,
        *,
        deployment: str | None = None,
        lease_ms: int = LEASE_MS,
        command_id: str | None = None,
    ) -> Receipt:
        """
        Open a session. `facts` of the receipt say what to disclose, and until when it lasts.

        Show the disclosure, say so, and beat every third of *lease_ms*.
        """
        return await self.tell(
            BeginSession(
                command_id=command_id or new_id(),
                session_id=session_id,
                modality=modality,
                deployment=deployment,
                lease_ms=lease_ms,
            )
        )

    async def show_disclosure(
        self, session_id: str, version: int, *, command_id: str | None = None
    ) -> Receipt:
        """Say that this version of the disclosure was shown: calls may be granted then."""
        return await self.tell(
            ShowDisclosure(
                command_id=command_id or new_id(), session_id=session_id, version=version
            )
        )

    async def beat(self, session_id: str, *, command_id: str | None = None) -> Receipt:
        """Keep a session alive. 403 `session_closed`: it has ended; `facts.reason` says why."""
        return await self.tell(
            BeatSession(command_id=command_id or new_id(), session_id=session_id)
        )

    async def step(
        self,
        session_id: str,
        modality: Rung,
        *,
        why: str,
        notice: Notice,
        command_id: str | None = None,
    ) -> Receipt:
        """Say that a session goes on by another rung, and how its visitor was told."""
        return await self.tell(
            StepSession(
                command_id=command_id or new_id(),
                session_id=session_id,
                modality=modality,
                why=why,
                notice=notice,
            )
        )

    async def close_session(
        self,
        session_id: str,
        reason: CloseReason,
        *,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """End a session. Settle or release its calls as well: that is still possible then."""
        return await self.tell(
            EndSession(
                command_id=command_id or new_id(), session_id=session_id, reason=reason, note=note
            ),
        )

    async def kill_session(
        self, session_id: str, *, note: str = "", command_id: str | None = None
    ) -> Receipt:
        """Stop a session at once, whoever runs it."""
        return await self.tell(
            KillSession(command_id=command_id or new_id(), session_id=session_id, note=note)
        )

    async def kill_all_sessions(self, *, note: str = "", command_id: str | None = None) -> Receipt:
        """Stop every session that is open now; `facts.sessions` says how many."""
        return await self.tell(KillAllSessions(command_id=command_id or new_id(), note=note))

    async def find_sessions(self, session_ids: Sequence[str]) -> SessionsFound:
        """Return how up to 200 sessions stand; what nobody remembers is `unknown`."""
        return await self._ask(FindSessions(session_ids=list(session_ids)), SessionsFound)

    def session_changes(
        self, running: Running, *, again_s: float = ASK_AGAIN_S
    ) -> AsyncGenerator[SessionChange, None]:
        """
        Yield the ends of the sessions that *running* names at that moment, and when there is room.

        Name a session from when it is open; one that the gate does not know is told as ended.
        Close the iterator (`contextlib.aclosing`) at the end. It raises Refused when this client
        may not know of the twin any more, or when the twin was erased: stop everything then.
        """
        bus = cast("PushBus", self._bus)
        return follow(bus, self.tenant, running, self.find_sessions, again_s=again_s)
