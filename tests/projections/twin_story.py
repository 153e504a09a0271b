"""
Logs as the gate writes them, for tests: commands are decided by the real domain code.

So the events fit together (standings, periods, holds), and `state` is what the gate itself knows
at the end, which projections are compared with.
"""

from __future__ import annotations

import msgspec

from contracts.access import OPERATOR
from contracts.budget import AuthorizeCall, ExtendCall, ReleaseCall, SettleCall, TopUpCredits
from contracts.commit import AnyEvent
from contracts.policy import BudgetPolicy, Policy, Quotas, RatePolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance
from contracts.secret import PutSecret, RotateSecret
from contracts.tenant import ProvisionTenant
from contracts.twin import BeginCalibration, RecordSample, SetIdentity, SetPurpose, SignOffTwin
from contracts.usage import Usage
from domain import gate
from domain.state import Envelope, State
from projections.projection import Commit
from tests.domain.dna import identity, purpose

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
MODALITIES = ("video", "voice", "text", "data")


def price_book(note: str = "") -> PriceBook:
    source = Provenance(source="test", retrieved_on="2026-01-01", note=note)
    prices = {
        "video": {"stream_ms": Price(7), "turns": Price(0)},
        "voice": {"stream_ms": Price(3), "characters": Price(2)},
        "text": {"input_tokens": Price(5), "output_tokens": Price(15, per=2)},
        "data": {"requests": Price(1_000)},
    }
    return PriceBook(
        entries=[PriceEntry(f"{m}-vendor", "s", m, prices[m], source) for m in MODALITIES]
    )


def policy(limit_nanos: int = 10**12, **changes) -> Policy:
    values = {
        "rate": RatePolicy(requests=1_000_000, burst=1_000_000),
        "budget": BudgetPolicy(monthly_hard_limit_nanos=limit_nanos),
        "modalities": list(MODALITIES),
        "ladder": ["video", "voice", "text"],
        "quotas": Quotas(video_minute_units=50, data_requests=1_000_000),
        "time_zone": "America/Mexico_City",
    }
    return Policy(**{**values, **changes})


class TwinStory:
    """One twin and its log so far. *group* decisions go into one commit."""

    def __init__(
        self,
        tenant: str = "cantor",
        *,
        rules: Policy | None = None,
        activation: str = "immediate",
    ) -> None:
        self.tenant = tenant
        self.state = State(tenant)
        self.now_us = START_US
        self.commits: list[list[AnyEvent]] = []
        self.reservations: list[str] = []
        self._commands = 0
        self.do(
            ProvisionTenant(
                command_id="provision",
                display_name=f"Twin {tenant}",
                organisation="Test",
                policy=rules or policy(),
                price_book=price_book(),
                activation=activation,
            )
        )

    def later(self, us: int) -> None:
        self.now_us += us

    def do(self, *commands) -> list[AnyEvent]:
        """Decide commands and write what follows as one commit; its events."""
        self.state.position += 1
        events: list[AnyEvent] = []
        for command in commands:
            self._fold(events, gate.due(self.state, self.now_us))
            envelope = Envelope(b"f", self.now_us, OPERATOR)
            if isinstance(command, PutSecret | RotateSecret):
                # As the shell does before the rules see it.
                envelope = envelope._replace(sealed=b"box of a value")
                command = msgspec.structs.replace(command, value="")  # noqa: PLW2901
            decided = gate.decide(self.state, command, envelope)
            self._fold(events, decided)
            if isinstance(command, AuthorizeCall) and decided[0].__class__.__name__ == (
                "CallAuthorized"
            ):
                self.reservations.append(f"{self.tenant}.{decided[0].decision}")
        self.commits.append(events)
        return events

    def amend(self, **fields) -> None:
        """Put into the last commit what commands cannot bring any more, as in an older log."""
        events = self.commits[-1]
        events[0] = msgspec.structs.replace(events[0], **fields)

    def sample(self) -> str:
        """Make a sample of the draft, settle and record it; its reservation."""
        self.do(self.authorize("video", 1_000, purpose="calibration"))
        name = self.reservations[-1]
        self.do(self.settle(name, "video", 1_000))
        self.do(RecordSample(command_id=self.command_id(), reservation_id=name, reference="v-1"))
        return name

    def shape(self, **fields) -> None:
        """A draft and its calibration, with one of its three samples."""
        self.do(SetIdentity(command_id=self.command_id(), identity=identity(**fields), note="n"))
        self.do(SetPurpose(command_id=self.command_id(), purpose=purpose()))
        version = self.state.twin.draft.version
        self.do(
            BeginCalibration(
                command_id=self.command_id(), version=version, provider_id="video-vendor", sku="s"
            )
        )
        self.sample()

    def sign(self, note: str = "") -> None:
        """The other two samples, and the signature."""
        self.sample()
        self.sample()
        version = self.state.twin.draft.version
        self.do(SignOffTwin(command_id=self.command_id(), version=version, note=note))

    def write(self, *events: AnyEvent) -> None:
        """Write events as they are, as one commit that the gate knows nothing of."""
        self.state.position += 1
        self.commits.append(list(events))

    def authorize(self, modality: str = "text", amount: int = 100, **more) -> AuthorizeCall:
        return AuthorizeCall(
            command_id=self.command_id(),
            modality=modality,
            provider_id=f"{modality}-vendor",
            sku="s",
            estimate=usage(modality, amount),
            **more,
        )

    def settle(self, reservation_id: str, modality: str, amount: int, **more) -> SettleCall:
        return SettleCall(
            command_id=self.command_id(),
            reservation_id=reservation_id,
            usage=usage(modality, amount),
            **more,
        )

    def extend(self, reservation_id: str, modality: str, amount: int) -> ExtendCall:
        return ExtendCall(
            command_id=self.command_id(),
            reservation_id=reservation_id,
            estimate=usage(modality, amount),
        )

    def release(self, reservation_id: str) -> ReleaseCall:
        return ReleaseCall(command_id=self.command_id(), reservation_id=reservation_id)

    def top_up(self, amount_nanos: int) -> TopUpCredits:
        return TopUpCredits(command_id=self.command_id(), amount_nanos=amount_nanos)

    def command_id(self) -> str:
        self._commands += 1
        return f"c{self._commands}"

    def opened(self, first_seq: int = 1) -> list[Commit]:
        """The commits as a projection gets them, alone in their stream."""
        return [
            Commit(0, first_seq + index, self.tenant, index + 1, events[-1].at_us, events)
            for index, events in enumerate(self.commits)
        ]

    def _fold(self, events: list[AnyEvent], new: list[AnyEvent]) -> None:
        for event in new:
            gate.evolve(self.state, event)
        events.extend(new)


def usage(modality: str, amount: int) -> Usage:
    """*amount* of what the modality is priced by."""
    match modality:
        case "video" | "voice":
            return Usage(stream_ms=amount)
        case "data":
            return Usage(requests=amount)
        case _:
            return Usage(input_tokens=amount, output_tokens=amount, turns=1)


def modality_of(events: list[AnyEvent], reservation_id: str) -> str:
    number = int(reservation_id.rpartition(".")[2])
    return next(e.modality for e in events if getattr(e, "decision", 0) == number)


def replaced(event: AnyEvent, **changes) -> AnyEvent:
    return msgspec.structs.replace(event, **changes)
