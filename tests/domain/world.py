"""
A small world: one twin, prices of 1 nano, limits of a hundred or so, so that tests reach edges.

`Twin.do` decides a command as the gate's worker does, and checks at every step what must hold
whatever was asked: deciding changes nothing, the standing in an event is the state after it, and
what was granted never passes the limit.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from contracts.access import OPERATOR
from contracts.budget import (
    AuthorizeCall,
    CallAuthorized,
    CallOption,
    ExtendCall,
    HoldExtended,
    ReleaseCall,
    SettleCall,
    Standing,
    TopUpCredits,
)
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent
from contracts.data_key import RotateDataKey
from contracts.policy import BudgetPolicy, Policy, RatePolicy, SetPolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance, SetPriceBook
from contracts.prompt import ActivatePrompt, RollBackPrompt, SavePrompt
from contracts.secret import OpenSecret, PutSecret, RevokeSecret, RotateSecret
from contracts.tenant import ProvisionTenant
from contracts.topics import RollBackTopics, SetTopics, Topic
from contracts.usage import Usage
from domain import budget, gate, memory
from domain.refusals import Refusal
from domain.state import Envelope, State, standing_now

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# 2026-11-10T12:00:00Z, in the middle of a month.
NOON = 1_794_312_000_000_000

PROVENANCE = Provenance(source="https://example.com/prices", retrieved_on="2026-11-01")
UNLIMITED = RatePolicy(requests=1_000_000, burst=1_000_000)


def entry(modality: str, **prices: int | Price) -> PriceEntry:
    """A product `acme/<modality>`; an integer is nanos for one."""
    named = {k: v if isinstance(v, Price) else Price(v) for k, v in prices.items()}
    return PriceEntry(
        provider_id="acme", sku=modality, modality=modality, prices=named, provenance=PROVENANCE
    )


def book(*entries: PriceEntry, currency: str = "USD") -> PriceBook:
    return PriceBook(entries=list(entries), currency=currency)


# One nano for a token, ten for a millisecond of voice, a hundred for one of video.
PRICES = book(
    entry("text", input_tokens=1, output_tokens=1),
    entry("voice", stream_ms=10, characters=1),
    entry("video", stream_ms=100),
    entry("data", requests=7),
)


def policy(limit: int = 100, **fields) -> Policy:
    """Everything allowed, no rate to speak of, *limit* nanos a month."""
    money = fields.pop("budget", BudgetPolicy(monthly_hard_limit_nanos=limit))
    return Policy(
        **{
            "rate": UNLIMITED,
            "budget": money,
            "modalities": ["video", "voice", "text", "data"],
            "ladder": ["video", "voice", "text"],
            **fields,
        }
    )


def fingerprint(command: AnyCommand) -> bytes:
    return blake2b(msgspec.msgpack.encode(command), digest_size=8).digest()


def snapshot(state: State) -> bytes:
    return msgspec.msgpack.encode(state)


class Twin:
    """A provisioned twin with a clock that tests move."""

    def __init__(
        self,
        rules: Policy | None = None,
        prices: PriceBook = PRICES,
        *,
        now_us: int = NOON,
        name: str = "cantor",
        provisioned: bool = True,
        activation: str = "immediate",
    ) -> None:
        self.state = State(name)
        # Who asks. The gate asks `gate.barred` about anybody but the operator first.
        self.actor = OPERATOR
        self.now_us = now_us
        self.log: list[AnyEvent] = []
        self._ids = 0
        # Granted holds never pass the limit; a lower limit and money spent unheld do.
        self._was_passed = False
        if provisioned:
            self.do(
                ProvisionTenant(
                    command_id="provision",
                    display_name="Andrés Cantor",
                    organisation="Studio",
                    policy=rules or policy(),
                    price_book=prices,
                    activation=activation,
                )
            )

    # -- time and commands --------------------------------------------------------

    def pass_time(self, us: int) -> list[AnyEvent]:
        """Move the clock and write down what that brings."""
        self.now_us += us
        return self.write_due()

    def write_due(self, portions: int = 100) -> list[AnyEvent]:
        written: list[AnyEvent] = []
        for _ in range(portions):
            events = unchanged(self.state, lambda: gate.due(self.state, self._time()))
            self._apply(events)
            written += events
            if not events:
                break
        return written

    def do(self, command: AnyCommand) -> list[AnyEvent]:
        """Decide a new command, apply and return its events, what was due before included."""
        written = self.write_due()
        envelope = self.envelope(command)
        assert gate.known(self.state, command, envelope) is None, "a test repeats by `again`"
        command, envelope = self._prepared(command, envelope)
        events = unchanged(self.state, lambda: gate.decide(self.state, command, envelope))
        for number, event in enumerate(events):
            self._apply([event])
            if number == 0:
                self._check(event)
        return written + events

    def decide(self, command: AnyCommand) -> AnyEvent:
        """The decision that *command* brings."""
        due = len(unchanged(self.state, lambda: gate.due(self.state, self._time())))
        return self.do(command)[due]

    def again(self, command: AnyCommand) -> memory.Known | Refusal | None:
        return unchanged(
            self.state, lambda: gate.known(self.state, command, self.envelope(command))
        )

    def envelope(self, command: AnyCommand) -> Envelope:
        return Envelope(fingerprint(command), self._time(), self.actor)

    def _prepared(self, command: AnyCommand, envelope: Envelope) -> tuple[AnyCommand, Envelope]:
        """What the shell does before: it seals values, and makes keys."""
        if isinstance(command, PutSecret | RotateSecret):
            box = f"box of {command.name} {len(self.log)}".encode()
            envelope = envelope._replace(sealed=box, key_version=self.state.data_key.version)
            return msgspec.structs.replace(command, value=""), envelope
        if isinstance(command, RotateDataKey):
            return command, envelope._replace(key_version=self.state.data_key.version + 1)
        return command, envelope

    def _time(self) -> int:
        return max(self.now_us, self.state.clock_us)

    # -- commands in short --------------------------------------------------------

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def authorize(self, amount: int = 1, modality: str = "text", **fields) -> AnyEvent:
        """Ask for a call that costs *amount* nanos at most (of text: that many tokens)."""
        return self.decide(self.call(amount, modality, **fields))

    def call(self, amount: int = 1, modality: str = "text", **fields) -> AuthorizeCall:
        fields.setdefault("command_id", self.new_id())
        if "estimate" not in fields:
            fields["estimate"] = usage(amount, modality)
        fields.setdefault("sku", modality)
        return AuthorizeCall(modality=modality, provider_id="acme", **fields)

    def settle(self, grant, amount: int = 1, **fields) -> AnyEvent:
        return self.decide(
            SettleCall(
                command_id=self.new_id(),
                reservation_id=self.reservation(grant),
                usage=fields.pop("usage", None) or usage(amount, modality_of(grant)),
                **fields,
            )
        )

    def extend(self, grant, amount: int = 1, **fields) -> AnyEvent:
        return self.decide(
            ExtendCall(
                command_id=self.new_id(),
                reservation_id=self.reservation(grant),
                estimate=fields.pop("estimate", None) or usage(amount, modality_of(grant)),
                **fields,
            )
        )

    def release(self, grant) -> AnyEvent:
        return self.decide(
            ReleaseCall(command_id=self.new_id(), reservation_id=self.reservation(grant))
        )

    def top_up(self, amount: int) -> AnyEvent:
        return self.decide(TopUpCredits(command_id=self.new_id(), amount_nanos=amount))

    def set_policy(self, rules: Policy, **fields) -> AnyEvent:
        return self.decide(SetPolicy(command_id=self.new_id(), policy=rules, **fields))

    def set_prices(self, prices: PriceBook, **fields) -> AnyEvent:
        return self.decide(SetPriceBook(command_id=self.new_id(), price_book=prices, **fields))

    def save(self, text: str = "Hola", expected: int | None = None, **fields) -> AnyEvent:
        """Save a prompt, by somebody who has seen the latest version unless *expected* is given."""
        known = self.state.prompts.latest if expected is None else expected
        return self.decide(
            SavePrompt(command_id=self.new_id(), text=text, expected_version=known, **fields)
        )

    def activate(self, version: int, **fields) -> AnyEvent:
        return self.decide(ActivatePrompt(command_id=self.new_id(), version=version, **fields))

    def roll_back(self, version: int, **fields) -> AnyEvent:
        return self.decide(RollBackPrompt(command_id=self.new_id(), version=version, **fields))

    def set_topics(self, *topics: Topic, expected: int | None = None, **fields) -> AnyEvent:
        known = self.state.topics.latest if expected is None else expected
        return self.decide(
            SetTopics(
                command_id=self.new_id(), topics=list(topics), expected_version=known, **fields
            )
        )

    def roll_back_topics(self, version: int, **fields) -> AnyEvent:
        return self.decide(RollBackTopics(command_id=self.new_id(), version=version, **fields))

    def put(self, name: str = "openai", value: str = "s3cret", **fields) -> AnyEvent:
        fields.setdefault("command_id", self.new_id())
        return self.decide(PutSecret(name=name, value=value, **fields))

    def rotate(self, name: str = "openai", overlap_ms: int = 60_000) -> AnyEvent:
        return self.decide(
            RotateSecret(command_id=self.new_id(), name=name, value="new", overlap_ms=overlap_ms)
        )

    def revoke(self, name: str = "openai", version: int | None = None) -> AnyEvent:
        return self.decide(RevokeSecret(command_id=self.new_id(), name=name, version=version))

    def open(self, grant, name: str = "openai", **fields) -> AnyEvent:
        fields.setdefault("command_id", self.new_id())
        return self.decide(OpenSecret(name=name, reservation_id=self.reservation(grant), **fields))

    def reservation(self, grant) -> str:
        """The name of a grant's reservation; a string is taken as it is."""
        return grant if isinstance(grant, str) else f"{self.state.name}.{grant.decision}"

    # -- what the state says ------------------------------------------------------

    @property
    def standing(self) -> Standing:
        return standing_now(self.state)

    @property
    def totals(self) -> budget.Totals:
        return self.state.budget.periods[self.state.budget.period]

    def _apply(self, events: list[AnyEvent]) -> None:
        for event in events:
            self.log.append(event)
            self.state.position += 1
            gate.evolve(self.state, event)

    def _check(self, event: AnyEvent) -> None:
        standing = getattr(event, "standing", None)
        if standing is not None and self.state.policy.policy is not None:
            assert standing_now(self.state) == standing, "an event states the money after it"
        money = self.state.budget
        assert budget.credits_free_nanos(money) >= 0, "credits spent and held are at most added"
        if isinstance(event, CallAuthorized | HoldExtended) and event.amount_nanos:
            totals = money.periods[event.period]
            limit = self.state.policy.terms.limit_nanos
            if event.amount_nanos > event.credit_nanos:
                assert totals.committed_nanos + totals.held_nanos <= limit, "a grant fits"


def unchanged(state: State, ask):
    """Call *ask*, which must leave the state as it was."""
    before = snapshot(state)
    answer = ask()
    assert before == snapshot(state), "a question must not change the state"
    return answer


def modality_of(grant) -> str:
    return getattr(grant, "modality", "text")


def usage(amount: int, modality: str = "text") -> Usage:
    """A usage that costs *amount* nanos at `PRICES`."""
    match modality:
        case "text":
            return Usage(input_tokens=amount)
        case "voice":
            assert amount % 10 == 0, "voice is sold at 10 nanos a millisecond"
            return Usage(stream_ms=amount // 10)
        case "video":
            assert amount % 100 == 0, "video is sold at 100 nanos a millisecond"
            return Usage(stream_ms=amount // 100)
        case _:
            assert amount % 7 == 0, "data is sold at 7 nanos a request"
            return Usage(requests=amount // 7)


def option(amount: int, modality: str) -> CallOption:
    return CallOption(
        modality=modality, provider_id="acme", sku=modality, estimate=usage(amount, modality)
    )
