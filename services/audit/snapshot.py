"""A tenant's snapshot, held against the fold of its log: workers start from it."""

from __future__ import annotations

from domain.state import State
from services.audit.findings import Findings, differences
from services.sealing.wrapped_keys import KeyMissing
from services.tenant_log.codec import Link
from services.tenant_log.replay import Keys, Snapshots
from services.tenant_log.snapshots import Restored, open_snapshot


async def find(tenant: str, snapshots: Snapshots, keys: Keys) -> Restored | str:
    """Return the tenant's snapshot, or why there is none that a worker would use."""
    found = await snapshots.find(tenant)
    if found is None:
        return "there is none"
    box, key_version = found
    try:
        key = await keys.get(tenant, key_version)
    except KeyMissing:
        return "its key is missing; workers ignore it"
    return open_snapshot(tenant, box, key, key_version) or "it does not open; workers ignore it"


class SnapshotCheck:
    """Compares a snapshot with a fold that passes by its position."""

    def __init__(self, snapshot: Restored, findings: Findings) -> None:
        self._snapshot = snapshot
        self._findings = findings
        self.is_done = False

    @property
    def position(self) -> int:
        """The commit that the snapshot stands on."""
        return self._snapshot.link.index

    def after_commit(self, state: State, link: Link, seq: int) -> None:
        """Compare, if this is the commit."""
        if link.index != self.position:
            return
        self.is_done = True
        if (link.commit_hash, seq) != (self._snapshot.link.commit_hash, self._snapshot.seq):
            self._differs(
                "the commit that it stands on",
                f"{link.commit_hash} at sequence {seq}",
                f"{self._snapshot.link.commit_hash} at sequence {self._snapshot.seq}",
            )
        elif state != self._snapshot.state:
            for path, expected, found in differences(state, self._snapshot.state):
                self._differs(path, expected, found)

    def at_end(self, last_index: int) -> None:
        """Say so if the log does not reach the snapshot."""
        if not self.is_done:
            self._differs("position", f"at most {last_index}, where the log ends", self.position)

    def _differs(self, what: str, expected: object, found: object) -> None:
        self._findings.add("snapshot", what, position=self.position, expected=expected, found=found)
