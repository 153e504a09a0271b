"""Opening: stored bytes to commits, checked on the way."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.commit import AnyEvent, MalformedCommit
from projections.projection import Commit
from services.eventstore.errors import ForeignMessage
from services.projector.chain import Chain, Head
from services.projector.erasing import is_end
from services.projector.source import Keys, SourceUnavailable, Stored
from services.sealing.keyring import UnwrapRefused
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log.codec import BrokenLog, open_commit

# What stops a shard until somebody has looked at it …
LOG_FAULTS = (BrokenLog, ForeignMessage, KeyMissing, MalformedCommit, UnwrapRefused)
# … and what also keeps a commit from being opened, but passes.
FAULTS = (*LOG_FAULTS, SourceUnavailable)


class Opened(msgspec.Struct):
    """
    Commits in stream order; *last_seq* is the sequence of the last one, 0 if there is none.

    *heads* are the new heads of the tenants whose chain grew; *erased* counts commits that nobody
    can open any more. *fault* is why it ends here: nothing may be applied after these commits.
    """

    commits: list[Commit] = []
    heads: dict[str, Head] = {}
    last_seq: int = 0
    erased: int = 0
    events: int = 0
    fault: Exception | None = None


async def open_commits(shard: int, stored: Sequence[Stored], chain: Chain, keys: Keys) -> Opened:
    """Check the chain, open each box and decode its events, up to the first that is at fault."""
    opened = Opened()
    for message in stored:
        try:
            await _open_one(opened, shard, message, chain, keys)
        except FAULTS as fault:
            opened.fault = fault
            break
    return opened


async def _open_one(opened: Opened, shard: int, message: Stored, chain: Chain, keys: Keys) -> None:
    taken = chain.check(message)
    line = taken.line
    events: list[AnyEvent] = []
    erased = False
    try:
        key = await keys.get(line.tenant, line.key_version)
        events = open_commit(line, taken.line_bytes, taken.box, key)
    except KeyErased:
        erased = True
    if taken.head is not None:
        opened.heads[line.tenant] = taken.head
        opened.erased += erased
    commit = Commit(shard, message.seq, line.tenant, line.index, line.at_us, events, erased)
    if is_end(commit):
        keys.forget(line.tenant)
    opened.commits.append(commit)
    opened.events += len(events)
    opened.last_seq = message.seq
