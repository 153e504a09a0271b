"""What the components of one conversation go by, and whom they tell what the gate decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from contracts.bundle import LiveSource
from contracts.lookup import FoundPassage
from contracts.replies import Decision, Receipt
from contracts.topics import Topic
from services.client import GateClient
from services.live.products import Products
from services.live.words import Language
from services.vendors.adapter import Vendors


class Watcher(Protocol):
    """Who is told. It decides what follows: a step on the ladder, or the end."""

    async def decided(self, decision: Decision) -> None:
        """A model's call was decided, and may have to wait: *decision* says for how long."""

    def model_refused(self, decision: Decision) -> str:
        """The model may not be asked; returns what the twin says instead."""

    def voice_refused(self, decision: Decision) -> None:
        """A sentence may not be spoken."""

    def voice_granted(self) -> None:
        """A sentence may be spoken."""

    def ear_refused(self, decision: Decision) -> None:
        """What the visitor said may not be understood."""

    def visitor_insists(self) -> None:
        """The visitor goes on speaking, whatever is being said."""

    def unheard(self) -> None:
        """Something that the visitor said was not understood, and might be said again."""

    def booked(self, receipt: Receipt | None) -> None:
        """A call is over; None: its booking is not confirmed yet."""


class Informed(msgspec.Struct, frozen=True):
    """What was found for the question *turn*, by the library's name of its message."""

    turn: str
    passages: Sequence[FoundPassage]


class Talk(msgspec.Struct, kw_only=True):
    """
    One conversation. *topics* and *knowledge* are those of the newest bundle; the rest stays as it
    is.

    *is_silent*: nothing is spoken, whatever is written. *informed*: what the last question is
    answered with, also when tools were called in between.
    """

    gate: GateClient
    vendors: Vendors
    session_id: str
    products: Products
    language: Language
    watcher: Watcher
    topics: Sequence[Topic] = ()
    voice: str = ""
    spoken_language: str = "en"
    is_silent: bool = False
    knowledge: Sequence[LiveSource] = ()
    informed: Informed | None = None
