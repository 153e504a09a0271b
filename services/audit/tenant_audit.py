"""
One tenant's log, followed from commit 1 to its end and held against everything that claims to
show it.

The chain is over stored bytes, so it is followed to the end even where the content cannot be
opened any more: an erased tenant's log is still proved to be whole. The content is folded up to
the first commit that cannot be; beyond it nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable

from contracts.commit import TOPIC, AnyEvent, CommitLine
from services.audit.findings import Findings
from services.audit.live import LiveCheck
from services.audit.refold import Refold
from services.audit.rows import RowsCheck
from services.audit.snapshot import SnapshotCheck
from services.eventstore.errors import ForeignMessage
from services.eventstore.wire import Recorded
from services.sealing.keyring import UnwrapRefused
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log.codec import GENESIS, BrokenLog, Link, follow, hash_of, open_commit
from services.tenant_log.replay import Keys, LogReader


class TenantAudit:
    """
    The audit of one tenant. Set what it is to be compared with, then `run` it once.

    *prefix* is what the subjects of the shard begin with, such as `evt.0`.
    """

    def __init__(
        self, tenant: str, prefix: str, reader: LogReader, keys: Keys, findings: Findings
    ) -> None:
        self.tenant = tenant
        self.findings = findings
        self.refold = Refold(tenant, findings)
        self.live: LiveCheck | None = None
        self.snapshot: SnapshotCheck | None = None
        self.rows: RowsCheck | None = None
        self.link = GENESIS
        # Told the position after each batch.
        self.note: Callable[[int], None] | None = None
        self.erased = False
        # Whether every commit so far could be opened and folded, and the chain followed.
        self.is_folding = True
        self.is_whole = True
        self._prefix = f"{prefix}.{tenant}."
        self._reader = reader
        self._keys = keys

    async def run(self, stream_end: int) -> None:
        """Follow the log to its end; *stream_end* is the last sequence of the whole stream."""
        try:
            async for batch in self._reader.read(self.tenant):
                for recorded in batch:
                    await self._commit(recorded)
                    if not self.is_whole:
                        return
                if self.note is not None:
                    self.note(self.link.index)
        except ForeignMessage as problem:
            self._broken(self.link.index + 1, str(problem))
            return
        if not self.is_folding:
            return
        if self.live is not None:
            self.live.at_end(self.link.index)
        if self.snapshot is not None:
            self.snapshot.at_end(self.link.index)
        if self.rows is not None:
            await self.rows.at_end(self.refold, stream_end)

    async def _commit(self, recorded: Recorded) -> None:
        try:
            line, head, box = follow(self.tenant, self.link, recorded.state)
        except BrokenLog as problem:
            self._broken(problem.index, problem.what)
            return
        self._check_wrapping(recorded, line)
        self.link = Link(line.index, hash_of(recorded.state))
        if not self.is_folding:
            return
        try:
            key = await self._keys.get(self.tenant, line.key_version)
            events = open_commit(line, head, box, key)
        except KeyErased:
            self.erased, self.is_folding = True, False
        except (KeyMissing, UnwrapRefused) as problem:
            self._closed(line, str(problem))
        except BrokenLog as problem:
            self._closed(line, problem.what)
        else:
            await self._fold(recorded.seq, line, events)

    async def _fold(self, seq: int, line: CommitLine, events: list[AnyEvent]) -> None:
        refold, live = self.refold, self.live
        if self.rows is not None:
            self.rows.before_commit(seq, refold)
        is_seen = live is not None and live.is_at(line.index)
        after_event = None
        if live is not None and is_seen:
            after_event = lambda: live.after_event(refold.state)  # noqa: E731
        if not refold.commit(line, events, after_event):
            self.is_folding = False
            return
        if events and line.at_us < events[-1].at_us:
            self.findings.add(
                "fold",
                "at_us of the commit",
                position=line.index,
                expected=f"at least {events[-1].at_us}, its last event's",
                found=line.at_us,
            )
        if live is not None and is_seen:
            live.after_commit(refold.state)
        if self.snapshot is not None:
            self.snapshot.after_commit(refold.state, self.link, seq)
        if self.rows is not None:
            await self.rows.commit(line.index, seq, events)

    def _check_wrapping(self, recorded: Recorded, line: CommitLine) -> None:
        """What stands around the stored bytes must say the same as they do."""
        noun = recorded.subject.removeprefix(self._prefix)
        if noun == recorded.subject or "." in noun:
            self._differs(line, "subject", f"{self._prefix}<noun>", recorded.subject)
        if recorded.version != line.index:
            self._differs(line, "header Vito-Version", line.index, recorded.version)
        if recorded.topic != TOPIC:
            self._differs(line, "header Vito-Topic", TOPIC, recorded.topic)

    def _differs(self, line: CommitLine, what: str, expected: object, found: object) -> None:
        self.findings.add("log", what, position=line.index, expected=expected, found=found)

    def _broken(self, position: int, what: str) -> None:
        self.findings.add("log", what, position=position)
        self.is_whole = self.is_folding = False

    def _closed(self, line: CommitLine, what: str) -> None:
        self.findings.add("content", what, position=line.index)
        self.is_folding = False
