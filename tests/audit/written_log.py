"""
A tenant's log as a worker writes it, in memory: real decisions, real commits, real seals.

Its stored messages may be doctored; it reads them back as the log's reader and knows its key.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from contracts.budget import AuthorizeCall, ReleaseCall, SettleCall, TopUpCredits
from contracts.commit import AnyEvent, CommitLine, decode_events, split
from contracts.subjects import log_prefix
from contracts.tenant import ProvisionTenant
from domain.state import State
from projections.projection import Commit
from services.eventstore.wire import Recorded
from services.gate.writer import TenantWriter, Waiter
from services.sealing.box import open_box
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log.codec import GENESIS, PURPOSE, digest_of, hash_of, seal_commit
from tests.projections.twin_story import START_US, policy, price_book, usage

BATCH = 7
SECOND_US = 1_000_000


class WrittenLog:
    """One twin, its writer and its stored messages. Stands in for the log's reader and keys."""

    def __init__(self, tenant: str = "cantor", *, shard: int = 0, **rules) -> None:
        self.tenant = tenant
        self.shard = shard
        self.key = tenant.encode().ljust(32, b"k")
        self.is_erased = False
        self.is_keyless = False
        self.now_us = START_US
        self.stored: list[Recorded] = []
        self._numbers = 0
        self.writer = TenantWriter(
            State(tenant),
            GENESIS,
            0,
            key=self.key,
            key_version=1,
            actor="worker-test",
            clock=lambda: self.now_us,
        )
        self.do(
            ProvisionTenant(
                command_id="provision",
                display_name=f"Twin {tenant}",
                organisation="Test",
                policy=policy(**rules),
                price_book=price_book(),
                activation="immediate",
            )
        )

    # -- writing

    @property
    def state(self) -> State:
        return self.writer.state

    @property
    def prefix(self) -> str:
        return log_prefix(self.shard)

    def do(self, *commands) -> list:
        """Decide commands together and write what follows; their answers."""
        answers: list = []
        self.writer.offer(Waiter(list(commands), "operator", answers.extend))
        self.flush()
        return answers

    def flush(self) -> None:
        while self.writer.has_work:
            append = self.writer.take()
            seq = len(self.stored) + 1
            subject = f"{self.prefix}.{self.tenant}.{append.noun}"
            self.stored.append(
                Recorded(
                    seq,
                    subject,
                    self.tenant,
                    append.version,
                    append.topic,
                    append.state,
                    self.now_us,
                )
            )
            self.writer.stored(seq)

    def later(self, us: int) -> None:
        """Let time pass and write what it brings."""
        self.now_us += us
        self.writer.pass_time(self.writer.now_us)
        self.flush()

    def authorize(self, modality: str = "text", amount: int = 100, **more) -> AuthorizeCall:
        return AuthorizeCall(
            command_id=self._id(),
            modality=modality,
            provider_id=f"{modality}-vendor",
            sku="s",
            estimate=usage(modality, amount),
            **more,
        )

    def settle(self, reservation_id: str, amount: int, modality: str = "text", **more):
        return SettleCall(
            command_id=self._id(),
            reservation_id=reservation_id,
            usage=usage(modality, amount),
            **more,
        )

    def release(self, reservation_id: str) -> ReleaseCall:
        return ReleaseCall(command_id=self._id(), reservation_id=reservation_id)

    def top_up(self, nanos: int) -> TopUpCredits:
        return TopUpCredits(command_id=self._id(), amount_nanos=nanos)

    def calls(self, count: int, *, amount: int = 100, together: int = 1) -> None:
        """Authorise and settle calls, *together* of them in one commit each."""
        for _ in range(count):
            self.now_us += SECOND_US
            granted = self.do(*(self.authorize(amount=amount) for _ in range(together)))
            self.do(*(self.settle(g.reservation_id, amount // 2) for g in granted))

    def _id(self) -> str:
        self._numbers += 1
        return f"{self.tenant}-{self._numbers}"

    # -- doctoring, by somebody who has the key

    def events(self, position: int) -> list[AnyEvent]:
        _, head, box = split(self.stored[position - 1].state)
        return decode_events(open_box(self.key, PURPOSE, (head,), box))

    def line(self, position: int) -> CommitLine:
        return split(self.stored[position - 1].state)[0]

    def rewrite(
        self,
        position: int,
        change: Callable[[list[AnyEvent]], list[AnyEvent]] = list,
        *,
        line: dict | None = None,
        command_ids: list[str] | None = None,
    ) -> None:
        """Replace a commit, and seal everything after it again, so that the chain fits."""
        events = change(self.events(position))
        changes = {"events": len(events), **(line or {})}
        if command_ids is not None:
            changes["commands_digest"] = digest_of(command_ids)
        self._put(position, msgspec.structs.replace(self.line(position), **changes), events)
        for later in range(position + 1, len(self.stored) + 1):
            prev = hash_of(self.stored[later - 2].state)
            line_of = msgspec.structs.replace(self.line(later), prev_hash=prev)
            self._put(later, line_of, self.events(later))

    def _put(self, position: int, line: CommitLine, events: list[AnyEvent]) -> None:
        self.replace(position, state=seal_commit(line, events, self.key))

    def replace(self, position: int, **changes) -> None:
        """Change a stored message as somebody without the key could."""
        at = position - 1
        self.stored[at] = msgspec.structs.replace(self.stored[at], **changes)

    def projected(self) -> list[Commit]:
        """The commits as a projection gets them."""
        return [
            Commit(
                self.shard,
                r.seq,
                self.tenant,
                r.version,
                self.line(r.version).at_us,
                self.events(r.version),
            )
            for r in self.stored
        ]

    # -- reading

    async def read(self, originator_id: str, *, after_seq: int = 0):
        found = [r for r in self.stored if r.seq > after_seq]
        for start in range(0, len(found), BATCH):
            yield found[start : start + BATCH]

    async def get(self, tenant: str, version: int) -> bytes:
        if self.is_erased:
            raise KeyErased(f"the keys of tenant {tenant} were erased")
        if self.is_keyless or version != 1:
            raise KeyMissing(f"tenant {tenant} has no key {version}")
        return self.key
