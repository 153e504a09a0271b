"""
The matches of the sandbox: a function of the time, so that every vendor tells the same of them.

Two pitches; on each a match of two hours begins whenever the one before is over, with an hour
between the pitches, so that somebody is always playing:

    minute   0  line-ups, nothing played yet
             5  first half, 45 minutes and 2 added
            52  half-time
            67  second half, 45 minutes and 4 added
           116  ended

Clubs and players are invented.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

US = 1_000_000
MINUTE_US = 60 * US
CYCLE_US = 120 * MINUTE_US
DAY_US = 86_400 * US
KICK_OFF_MINUTE, FIRST_ENDS, SECOND_BEGINS, ENDS = 5, 52, 67, 116
HALF_MINUTES = 45
FIRST_NUMBER = 7_000_000

Phase: TypeAlias = Literal["before", "first", "pause", "second", "after"]
Side: TypeAlias = Literal["home", "away"]
Kind: TypeAlias = Literal["goal", "penalty", "own_goal", "yellow_card", "red_card", "substitution"]


class Club(msgspec.Struct, frozen=True):
    """A club, as both vendors name and number it."""

    number: int
    name: str
    abbreviation: str


class Happening(msgspec.Struct, frozen=True):
    """Something in a script, at a *minute* of play; *other* assists, or leaves the pitch."""

    minute: int
    kind: Kind
    side: Side
    player: str
    other: str = ""


class Script(msgspec.Struct, frozen=True):
    """What happens in every match of a pitch."""

    home: Club
    away: Club
    happenings: tuple[Happening, ...]


class Play(msgspec.Struct, frozen=True):
    """A match at a moment. *played_s* and *added_s* are the clock of the half."""

    number: int
    script: Script
    kick_off_us: int
    phase: Phase
    played_s: int
    added_s: int
    happened: tuple[Happening, ...]

    def goals(self, side: Side) -> int:
        """Goals that count for *side*."""
        return sum(side == scored_for(one) for one in self.happened)


def scored_for(one: Happening) -> Side | None:
    """The side that a happening gives a goal to, if any."""
    if one.kind in ("goal", "penalty"):
        return one.side
    if one.kind == "own_goal":
        return "away" if one.side == "home" else "home"
    return None


RIBERA = Club(501, "Atlético Ribera", "RIB")
SIERRA = Club(502, "Deportivo Sierra Norte", "SIE")
PAMPA = Club(503, "Unión Pampa", "PAM")
COSTA = Club(504, "Racing Costa Azul", "COS")
COMPETITION = (901, "Liga del Sur", "Argentina")

SCRIPTS = (
    Script(
        RIBERA,
        SIERRA,
        (
            Happening(12, "goal", "home", "Bruno Salvatierra", "Teo Mancuso"),
            Happening(23, "yellow_card", "away", "Iván Quiroga"),
            Happening(41, "penalty", "away", "Nahuel Bordón"),
            Happening(58, "substitution", "home", "Lautaro Pinedo", "Teo Mancuso"),
            Happening(67, "goal", "home", "Lautaro Pinedo", "Bruno Salvatierra"),
            Happening(74, "red_card", "away", "Iván Quiroga"),
            Happening(88, "goal", "home", "Bruno Salvatierra"),
        ),
    ),
    Script(
        PAMPA,
        COSTA,
        (
            Happening(31, "yellow_card", "home", "Ramiro Estévez"),
            Happening(55, "own_goal", "home", "Julián Acuña"),
            Happening(79, "substitution", "away", "Dante Ferreyra", "Oscar Luna"),
            Happening(90, "goal", "home", "Ramiro Estévez", "Julián Acuña"),
        ),
    ),
)
PITCHES = len(SCRIPTS)


def on_the_pitches(now_us: int) -> list[Play]:
    """The match of each pitch at a moment, ended ones until the next begins."""
    return [_play(pitch, (now_us + _shift(pitch)) // CYCLE_US, now_us) for pitch in range(PITCHES)]


def of_day(day_begins_us: int, now_us: int) -> list[Play]:
    """The matches that kick off in the 24 hours from *day_begins_us*, as they stand now."""
    found = []
    for pitch in range(PITCHES):
        first = (day_begins_us + _shift(pitch)) // CYCLE_US
        for cycle in range(first, first + DAY_US // CYCLE_US + 1):
            play = _play(pitch, cycle, now_us)
            if day_begins_us <= play.kick_off_us < day_begins_us + DAY_US:
                found.append(play)
    return sorted(found, key=lambda play: play.kick_off_us)


def by_number(number: int, now_us: int) -> Play | None:
    """The match of a number; None if there is none such within a year of now."""
    cycle, pitch = divmod(number - FIRST_NUMBER, PITCHES)
    now_cycle = now_us // CYCLE_US
    if abs(cycle - now_cycle) > 365 * DAY_US // CYCLE_US:
        return None
    return _play(pitch, cycle, now_us)


def _shift(pitch: int) -> int:
    return pitch * CYCLE_US // PITCHES


def _play(pitch: int, cycle: int, now_us: int) -> Play:
    begins_us = cycle * CYCLE_US - _shift(pitch)
    minute, rest_us = divmod(now_us - begins_us, MINUTE_US)
    phase, played_s, added_s = _clock(minute, rest_us // US)
    script = SCRIPTS[pitch]
    return Play(
        number=FIRST_NUMBER + cycle * PITCHES + pitch,
        script=script,
        kick_off_us=begins_us + KICK_OFF_MINUTE * MINUTE_US,
        phase=phase,
        played_s=played_s,
        added_s=added_s,
        happened=tuple(one for one in script.happenings if _has_come(one, phase, played_s)),
    )


def _clock(minute: int, seconds: int) -> tuple[Phase, int, int]:
    """The phase at a minute of the two hours, and the clock of the half with what is added."""
    half_s = HALF_MINUTES * 60
    if minute < KICK_OFF_MINUTE:
        return "before", 0, 0
    if minute < FIRST_ENDS:
        since_s = (minute - KICK_OFF_MINUTE) * 60 + seconds
        return "first", min(since_s, half_s), max(0, since_s - half_s)
    if minute < SECOND_BEGINS:
        return "pause", half_s, 0
    if minute < ENDS:
        since_s = (minute - SECOND_BEGINS) * 60 + seconds
        return "second", half_s + min(since_s, half_s), max(0, since_s - half_s)
    return "after", 2 * half_s, 0


def _has_come(one: Happening, phase: Phase, played_s: int) -> bool:
    # The twelfth minute is the one between 11:00 and 11:59; it is over when the clock shows 12:00.
    return phase != "before" and played_s >= one.minute * 60
