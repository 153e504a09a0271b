"""Long, mixed histories of a twin's people and of the platform's, from a seed."""

from __future__ import annotations

import random
from typing import get_args

from contracts.access import (
    ROLES,
    BreakGlass,
    ChangeRole,
    Door,
    RemoveMember,
    ReportDenial,
    RevokeKey,
    RotateKey,
    WithdrawInvitation,
)
from contracts.account import (
    PLATFORM,
    CloseSessions,
    CountSignInFailure,
    GrantAdmin,
    LockAccount,
    RehashPassword,
    SetPassword,
    UnlockAccount,
    WithdrawAdmin,
)
from contracts.policy import SetPolicy
from services.identity.random_secret import digest
from tests.domain.people import ARGON2ID, People, invitation_of, key_of, secret
from tests.domain.world import DAY, HOUR, MINUTE, SECOND, policy

NAMES = ("ana", "bob", "cyd", "dee")


class _Played:
    """Plays *steps* random commands, asked by random principals."""

    def __init__(self, twin: People, seed: int, steps: int) -> None:
        self.random = random.Random(seed)
        self.twin = twin
        for _ in range(steps):
            times = (0, SECOND, MINUTE, HOUR, 2 * DAY, -SECOND)
            twin.now_us += self.random.choices(times, weights=(30, 20, 20, 10, 1, 1))[0]
            self.random.choice(self.moves())()

    def moves(self) -> list:
        raise AssertionError("a history has moves")

    def anybody(self) -> str:
        return self.random.choice(
            (*["operator"] * 5, "admin_root", *(f"person_{name}" for name in NAMES))
        )

    def somebody(self) -> str:
        return self.random.choice(NAMES)


def turn_away(twin: People, chance: random.Random) -> None:
    """A door reports that it has turned somebody away, some of them often."""
    twin.ask(
        "operator",
        ReportDenial,
        principal=f"key_{key_of('k1')}",
        door=chance.choice(get_args(Door)),
        noun="budget",
        verb="show",
        code="caller_unknown",
        status=403,
        about="fernandez",
        times=chance.choice((1, 7)),
    )


class TwinPeople(_Played):
    """Members come and go; keys are issued, rotated and revoked; an admin looks in."""

    def __init__(self, seed: int, steps: int) -> None:
        self.keys = 0
        super().__init__(People(), seed, steps)

    def moves(self) -> list:
        twin, chance = self.twin, self.random
        return [
            lambda: twin.invite(self.somebody(), chance.choice(ROLES), by=self.anybody()),
            lambda: twin.accept(self.somebody()),
            lambda: twin.accept(self.somebody(), secret=secret("wrong")),
            lambda: twin.ask(
                self.anybody(), WithdrawInvitation, invitation_id=invitation_of(self.somebody())
            ),
            lambda: twin.ask(
                self.anybody(), ChangeRole, person=self.somebody(), role=chance.choice(ROLES)
            ),
            lambda: twin.ask(self.anybody(), RemoveMember, person=self.somebody(), reason="left"),
            self._issue,
            self._rotate,
            lambda: twin.ask(self.anybody(), RevokeKey, key_id=self._some_key()),
            lambda: twin.ask(self.anybody(), BreakGlass, reason="ticket", ttl_s=60),
            lambda: turn_away(twin, chance),
            lambda: twin.ask(self.anybody(), SetPolicy, policy=policy()),
        ]

    def _issue(self) -> None:
        self.keys += 1
        until_us = self.random.choice((None, self.twin.now_us + HOUR))
        self.twin.issue(f"k{self.keys}", by=self.anybody(), expires_at_us=until_us)

    def _rotate(self) -> None:
        old = self._some_key()
        self.keys += 1
        self.twin.ask(
            self.anybody(),
            RotateKey,
            key_id=old,
            new_key_id=key_of(f"k{self.keys}"),
            secret_hash=digest(secret(f"k{self.keys}")),
            overlap_ms=self.random.choice((0, 60_000)),
        )

    def _some_key(self) -> str:
        known = list(self.twin.state.access.keys)
        return self.random.choice([*known, key_of(f"k{self.keys}")])


class PlatformPeople(_Played):
    """People register and sign in and out, guess passwords, are made admins, are locked out."""

    def __init__(self, seed: int, steps: int) -> None:
        self.secrets = 0
        super().__init__(People(PLATFORM), seed, steps)

    def moves(self) -> list:
        twin = self.twin
        return [
            lambda: twin.register(self.somebody()),
            lambda: self._about(SetPassword, password_hash=ARGON2ID),
            lambda: self._about(RehashPassword, password_hash=ARGON2ID, replaces=digest(ARGON2ID)),
            lambda: twin.link(self.somebody(), by=self.anybody()),
            lambda: twin.sign_in(self.somebody(), self._new_secret()),
            lambda: twin.sign_in(self.somebody(), self._new_secret()),
            self._sign_in_by_link,
            lambda: self._about(CloseSessions),
            lambda: self._about(CountSignInFailure),
            lambda: self._about(CountSignInFailure),
            lambda: self._about(GrantAdmin),
            lambda: self._about(WithdrawAdmin),
            lambda: self._about(LockAccount, reason="lost"),
            lambda: self._about(UnlockAccount),
            lambda: turn_away(twin, self.random),
        ]

    def _about(self, kind, **fields) -> None:
        person = self.somebody()
        by = self.random.choice((f"person_{person}", "operator", "admin_root", self.anybody()))
        self.twin.ask(by, kind, person=person, **fields)

    def _sign_in_by_link(self) -> None:
        person = self.somebody()
        self.twin.sign_in(person, self._new_secret(), link=secret(person))

    def _new_secret(self) -> str:
        self.secrets += 1
        return f"s{self.secrets}"
