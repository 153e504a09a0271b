"""
One tenant's writer: decides commands at once and groups what was decided into commits.

A command is decided the moment it arrives, on state that already contains every earlier decision,
acknowledged or not. Its answer is kept back until the commit that holds the decision is in the
log. One commit of a tenant is in flight at a time; what is decided meanwhile becomes the next one:
that is the group commit, and it is what makes one hot tenant fast.

When the log refuses a commit (another writer was first) everything undecided-after-all is handed
back: the state here is worthless then and must be built from the log again.

The value of a secret goes past the rules: it is sealed before its command is decided, and an
opened one is put into the answer when the opening is durable, a moment before it is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

from contracts.access import OPERATOR, CallerRefused, DenialReported
from contracts.budget import (
    CallRefused,
    CommandRefused,
    RefusalsCounted,
)
from contracts.bundle import BundleView
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.commit import COMMIT_BYTES_MAX, EVENTS_PER_COMMIT_MAX, TOPIC, AnyEvent, CommitLine
from contracts.data_key import RotateDataKey
from contracts.questions import GATE_QUESTIONS, CompareSecret, GateQuestion
from contracts.replies import Receipt
from contracts.secret import OpenSecret, PutSecret, RotateSecret, SecretOpened
from contracts.session import SessionsEnded
from contracts.tenant import EraseTenant
from domain import bundle, conversation, deadlines, flood, gate, rights, secret, vault, views
from domain.answer import answer, not_decided
from domain.memory import Known
from domain.refusals import CALLER_UNKNOWN, OVERLOADED, TWIN_UNKNOWN, Refusal
from domain.state import Envelope, State
from domain.vault_refusals import TWIN_ERASED
from services.eventstore.appending import Append
from services.gate import session_notice
from services.gate.data_keys import DataKeys
from services.gate.group import Group, size_guess
from services.gate.secret import compared, fingerprint, prepared, revealed
from services.gate.waiter import Answer, Waiter, refuse_all, weight
from services.tenant_log import snapshots
from services.tenant_log.codec import Link, digest_of, hash_of, seal_commit

# Commands of one tenant that wait for the log.
WAITING_MAX = 16_384
_GROUP_BYTES_MAX = COMMIT_BYTES_MAX // 2

# What the shell adds to before it is decided: a sealed value, or the number of a key.
_PREPARED: Final = frozenset((PutSecret, RotateSecret, RotateDataKey))
_GRANTED: Final = 200


class Clock(Protocol):
    """Wall clock in microseconds since the epoch."""

    def __call__(self) -> int: ...


class TenantWriter:
    """State and commits of one tenant. Not thread-safe; never awaits."""

    def __init__(
        self,
        state: State,
        link: Link,
        last_seq: int,
        *,
        key: bytes | None,
        key_version: int,
        actor: str,
        clock: Clock,
        older_keys: Mapping[int, bytes] | None = None,
    ) -> None:
        self.state = state
        self.last_seq = last_seq
        self.acked = link
        self.fold_cost_us = 0
        self.snapshot_due = False
        self._keys: DataKeys | None = None
        if key is not None:
            self._keys = DataKeys(state.name, key_version, {**(older_keys or {}), key_version: key})
        self._actor = actor
        self._clock = clock
        self._pending: deque[Group] = deque()
        self._in_flight: Group | None = None
        self._in_flight_hash = ""
        self._waiting = 0
        self._tally = flood.Tally()
        self.is_lost = False
        # Who asked for the erasure, now durable: answered when the keys are destroyed.
        self.farewells: list[Waiter] = []

    @property
    def is_keyless(self) -> bool:
        """Whether the tenant has no data key yet, because nobody provisioned it."""
        return self._keys is None

    @property
    def key_version(self) -> int:
        """The version of the data key that seals what is new; 0 without one."""
        return 0 if self._keys is None else self._keys.version

    def use_key(self, version: int, key: bytes) -> None:
        """Seal with this version from now on, if it is newer than the others."""
        assert self._keys is not None, "a tenant without a key has none to replace"
        self._keys.add(version, key)

    # -- deciding ---------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """The wall clock, but never before the last event: stepping back grants nothing."""
        return max(self._clock(), self.state.clock_us)

    def offer(self, waiter: Waiter) -> None:
        """Decide a client's commands; it is answered when all of them are durable."""
        if self._waiting >= WAITING_MAX:
            refuse_all(waiter, OVERLOADED)
            return
        needed = self.acked.index
        if waiter.question:
            stopped = self._why_not_asked(waiter.question, waiter.actor)
            if stopped is not None:
                told, needed = stopped
                waiter.answers.append(told)
                self._answer_when_durable(waiter, needed)
                return
            # Seen now, told when all that it shows is durable.
            self.pass_time(self.now_us)
            waiter.answers.append(self._told(waiter.question, waiter.actor))
            needed = self._last_index
        for command in waiter.commands:
            found, position = self._decide(command, waiter.actor)
            if type(command) is OpenSecret:
                self._attach(waiter, command.name, found)
            waiter.answers.append(found)
            needed = max(needed, position)
        self._answer_when_durable(waiter, needed)

    def _told(self, question: str | GateQuestion, actor: str) -> Answer:
        if isinstance(question, str):
            return views.view(question, self.state, self.now_us)
        if isinstance(question, CompareSecret):
            return compared(self.state, self._keys, question)
        return views.answer(question, self.state, actor, self.now_us)

    def _answer_when_durable(self, waiter: Waiter, index: int) -> None:
        group = self._group_at(index)
        if group is None:
            self._respond(waiter)
        else:
            group.waiters.append(waiter)
            self._waiting += weight(waiter)

    def _decide(self, command: AnyCommand, actor: str) -> tuple[Answer, int]:
        """Return the answer and the position that must be durable before it may be given."""
        state = self.state
        if actor != OPERATOR:
            refused = self._bar(command, actor)
            if refused is not None:
                return refused
        nobody = self._why_nobody(command)
        if nobody is not None:
            return not_decided(command.command_id, nobody, retry_after_ms=None), 0
        envelope = Envelope(fingerprint(command, self._keys), self.now_us, actor)
        known = gate.known(state, command, envelope)
        if isinstance(known, Refusal):
            return not_decided(command.command_id, known, retry_after_ms=None), 0
        if known is not None:
            return self._again(command, known, envelope)
        noun = NOUN_AND_VERB[type(command)][0]
        self.pass_time(envelope.now_us)
        quiet = conversation.unmoved(state, command, envelope)
        if quiet is not None:
            # What it says of the lease may be on its way to the log still.
            return quiet, self._last_index
        if type(command) in _PREPARED:
            command, envelope = prepared(state, self._keys, command, envelope)
        events = gate.decide(state, command, envelope)
        first = events[0]
        if isinstance(first, CallRefused | CommandRefused | DenialReported) and (
            state.tenant.status == "absent" or not flood.is_recorded(state.flood, envelope.now_us)
        ):
            self._count_refusal(first)
            return answer(state.name, first, None), 0
        group = self._write(noun, events)
        group.command_ids.append(command.command_id)
        if type(command) is EraseTenant and state.tenant.status == "erased":
            self._tally = flood.Tally()
        return answer(state.name, first, group.index), group.index  # type: ignore[arg-type]

    def _why_nobody(self, command: AnyCommand) -> Refusal | None:
        """Say why there is no such twin to decide about; None when there is."""
        match self.state.tenant.status:
            case "absent" if not gate.begins(self.state.name, command):
                # No log is begun for a name that somebody made up.
                return TWIN_UNKNOWN
            case "erased":
                # Nothing follows the last event of a log.
                return TWIN_ERASED
            case _:
                return None

    def _again(self, command: AnyCommand, known: Known, envelope: Envelope) -> tuple[Answer, int]:
        """Answer a command that was decided before. A secret that is told again is recorded."""
        told = answer(self.state.name, known.event, known.position, replayed=True)
        if type(command) is not OpenSecret or not isinstance(known.event, SecretOpened):
            return told, known.position
        self.pass_time(envelope.now_us)
        found = vault.reopen(self.state, command, known.event, envelope)
        if isinstance(found, Refusal):
            return not_decided(command.command_id, found, retry_after_ms=None), 0
        return told, self._write("secret", [found]).index

    def _bar(self, command: AnyCommand, actor: str) -> tuple[Answer, int] | None:
        """Refuse a caller that may not ask this."""
        barred = gate.barred(self.state, command, Envelope(b"", self.now_us, actor))
        return None if barred is None else self._deny(*barred)

    def _why_not_asked(self, asked: str | GateQuestion, actor: str) -> tuple[Answer, int] | None:
        """Refuse a caller that may not ask this."""
        state, now_us = self.state, self.now_us
        noun, verb = (asked, "show") if isinstance(asked, str) else GATE_QUESTIONS[type(asked)]
        refusal = rights.why_not_shown(state, actor, noun, verb, now_us)
        if refusal is None and state.tenant.status == "erased":
            return not_decided("", TWIN_ERASED, retry_after_ms=None), 0
        if refusal is None:
            return None
        envelope = Envelope(b"", now_us, actor)
        return self._deny(refusal, gate.denied(state, "", envelope, noun, verb, refusal))

    def _deny(self, refusal: Refusal, event: CallerRefused) -> tuple[Answer, int]:
        """
        Record a denial, unless it is one of a flood: then it is counted.

        A stranger is answered at once and in the same words whether there is such a twin or not.
        """
        state, now_us = self.state, self.now_us
        told = not_decided(event.command_id, refusal, retry_after_ms=None)
        if not self._is_there or not flood.is_recorded(state.flood, now_us):
            self._count_refusal(event)
            return told, 0
        self.pass_time(now_us)
        position = self._write("access", [event]).index
        return told, 0 if refusal is CALLER_UNKNOWN else position

    def pass_time(self, now_us: int) -> None:
        """Write down what time alone has brought: holds that ran out, a month that began."""
        summary_at_us = flood.due_at_us(self._tally)
        if summary_at_us is not None and now_us >= summary_at_us:
            self._write_tally(now_us)
        events = gate.due(self.state, now_us)
        if events:
            self._write("session" if type(events[0]) is SessionsEnded else "budget", events)

    def close_flood(self) -> None:
        """Write down the refusals counted so far; this writer is about to stop."""
        if self._tally.counts:
            self._write_tally(self.now_us)

    def next_deadline_us(self) -> int | None:
        """When time will next bring something by itself, or None."""
        state = self.state
        next_us = min(state.budget.deadlines.next_us, state.sessions.deadlines.next_us)
        summary_us = flood.due_at_us(self._tally)
        if summary_us is not None:
            return min(next_us, summary_us)
        return None if next_us == deadlines.NEVER else next_us

    def _count_refusal(self, event: flood.Refused) -> None:
        if self._is_there:
            flood.count(self._tally, event)

    @property
    def _is_there(self) -> bool:
        return self.state.tenant.status not in ("absent", "erased")

    def _write_tally(self, now_us: int) -> None:
        tally, self._tally = self._tally, flood.Tally()
        self._write("budget", [flood.summary(tally, now_us)])

    def current_bundle(self) -> BundleView | None:
        """Return which bundle is current, without its content; None when there never was one."""
        if not self.state.bundle_revision:
            return None
        return bundle.notice(bundle.bundle_view(self.state, self.now_us))

    # -- secrets ----------------------------------------------------------------

    def _attach(self, waiter: Waiter, name: str, told: Answer) -> None:
        """Keep the sealed secret that an answer is about; it is opened when that is sent."""
        if isinstance(told, Receipt) and told.status == _GRANTED:
            held = secret.held(self.state.secrets, name, told.version)
            waiter.openings[len(waiter.answers)] = held

    def _respond(self, waiter: Waiter) -> None:
        for number, held in waiter.openings.items():
            told = waiter.answers[number]
            waiter.answers[number] = revealed(self.state.name, self._keys, told, held)
        if self.state.tenant.status == "erased" and _erased(waiter):
            self.farewells.append(waiter)
            return
        waiter.respond(waiter.answers)

    # -- grouping ---------------------------------------------------------------

    def _write(self, noun: str, events: list[AnyEvent]) -> Group:
        """Put events into the group that is open for *noun* and apply them."""
        group = self._pending[-1] if self._pending else None
        size = size_guess(events)
        if (
            group is None
            or group.noun != noun
            or len(group.events) + len(events) > EVENTS_PER_COMMIT_MAX
            or group.bytes_guess + size > _GROUP_BYTES_MAX
        ):
            group = Group(self._last_index + 1, noun)
            self._pending.append(group)
        state = self.state
        state.position = group.index
        for event in events:
            gate.evolve(state, event)
        group.events += events
        group.bytes_guess += size
        if noun in bundle.NOUNS and bundle.is_changed_by(events):
            # Now, because the state goes on while this commit is on its way to the log.
            group.bundle = bundle.bundle_view(state, self.now_us)
        group.sessions = session_notice.grown(group.sessions, state, group.index, events)
        return group

    @property
    def _last_index(self) -> int:
        if self._pending:
            return self._pending[-1].index
        return self._in_flight.index if self._in_flight else self.acked.index

    def _group_at(self, index: int) -> Group | None:
        """The group that is not yet durable at *index*; None when *index* is durable."""
        if index <= self.acked.index:
            return None
        if self._in_flight is not None and index == self._in_flight.index:
            return self._in_flight
        return self._pending[index - self._pending[0].index]

    # -- committing -------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether a commit could be taken now."""
        return bool(self._pending) and self._in_flight is None and not self.is_lost

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self._pending and self._in_flight is None and not self._tally.counts

    def take(self) -> Append:
        """Close the oldest group and return the bytes to append. Then call `stored` or `lost`."""
        assert self._in_flight is None, "one commit of a tenant is in flight at a time"
        assert self._keys is not None, "a tenant without a key has nothing to commit"
        group = self._in_flight = self._pending.popleft()
        if self.snapshot_due and not self._pending:
            group.frozen_state = snapshots.encode_state(self.state)
            self.snapshot_due, self.fold_cost_us = False, 0
        line = CommitLine(
            self.state.name,
            group.index,
            self.now_us,
            len(group.events),
            self._keys.version,
            self._actor,
            digest_of(group.command_ids),
            self.acked.commit_hash,
        )
        payload = seal_commit(line, group.events, self._keys.newest)
        self._in_flight_hash = hash_of(payload)
        return Append(
            originator_id=self.state.name,
            version=group.index,
            topic=TOPIC,
            noun=group.noun,
            state=payload,
            expected_seq=self.last_seq,
        )

    def stored(self, seq: int) -> Group:
        """The commit in flight is durable at stream sequence *seq*: answer who waits for it."""
        group = self._in_flight
        assert group is not None, "nothing is in flight"
        self._in_flight = None
        self.last_seq = seq
        self.acked = Link(group.index, self._in_flight_hash)
        self._waiting -= sum(map(weight, group.waiters))
        for waiter in group.waiters:
            self._respond(waiter)
        return group

    def snapshot(self, group: Group) -> bytes:
        """Return the snapshot that was frozen at *group*, which `stored` has just returned."""
        assert group.frozen_state is not None, "no snapshot was due"
        return snapshots.encode(group.frozen_state, self.acked, self.last_seq)

    def lost(self, *, in_flight_is_stored: bool | None) -> list[Waiter]:
        """
        Give up: everything that is not durable is undone. Return who was waiting, in order.

        None says that nobody knows what became of the commit in flight. Refusals that were only
        counted stay counted, in `uncounted`, for the writer that comes after this one.
        """
        self.is_lost = True
        certain = list(self._pending)
        if self._in_flight is not None and in_flight_is_stored is False:
            certain.insert(0, self._in_flight)
        for group in certain:
            for event in group.events:
                if isinstance(event, RefusalsCounted):
                    flood.put_back(self._tally, event)
        groups = ([self._in_flight] if self._in_flight else []) + list(self._pending)
        self._in_flight = None
        self._pending.clear()
        self._waiting = 0
        return [waiter for group in groups for waiter in group.waiters]

    def uncounted(self) -> RefusalsCounted | None:
        """Return the refusals that were counted and are not in the log; None if there are none."""
        return flood.summary(self._tally, self.now_us) if self._tally.counts else None

    def count_again(self, counted: RefusalsCounted) -> None:
        """Take over the refusals that the writer before this one had counted."""
        flood.put_back(self._tally, counted)


def _erased(waiter: Waiter) -> bool:
    """Whether a message has erased the tenant."""
    told = waiter.answers[0]
    return isinstance(told, Receipt) and (told.status, told.code) == (_GRANTED, "erased")
