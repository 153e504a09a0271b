"""
The bundle: all that an agent may know of its twin, as one consistent answer.

An agent asks for it when a session begins (`qry.<tenant>.bundle.show`) and hears of every change on
`push.<tenant>.bundle`. It never has a prompt of one version with the topics of another.
"""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.message import Reply
from contracts.prompt import Variable
from contracts.topics import Topic
from contracts.twin import Identity, Purpose, Refinement

# A larger bundle is pushed without its content, and the agent asks for it.
PUSH_BYTES_MAX: Final = 256_000


class LivePrompt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The live version of the system prompt, with the variables that its text may use."""

    version: int
    text: str
    variables: list[Variable]


class LiveIdentity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The version of the identity that its Owner has signed off; a draft is never here."""

    version: int
    identity: Identity
    refinement: Refinement


class LivePurpose(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The version of the purpose that is in force."""

    version: int
    purpose: Purpose


class LiveDna(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who the twin is and what it is for. Null is the one of the two that is not there yet."""

    identity: LiveIdentity | None
    purpose: LivePurpose | None


class LiveTopics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The prohibited topics in force; version 0: none were ever set."""

    version: int
    topics: list[Topic]


class LiveSource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A source, and the hash of the content of it that a person has approved, and when."""

    source: str
    title: str
    content_hash: str
    approved_at_us: int


class BundleContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    What an agent goes by. Without a *prompt* none was activated yet: the twin may not speak.

    Without *dna* nobody has signed off an identity, nor set a purpose. *knowledge* is what it may
    look up, by the ids of the sources; nothing that is not in it may be used. It is left out while
    there is none.
    """

    prompt: LivePrompt | None
    dna: LiveDna | None
    topics: LiveTopics
    knowledge: list[LiveSource] = []


class BundleView(Reply, frozen=True, kw_only=True):
    """
    The bundle as of a position of the log.

    *revision* is the number of the decision that last changed it: it only grows, so of two bundles
    the one with the higher revision is the newer one. *hash* is SHA-256, in hex, of the content as
    JSON with sorted keys, without white space, in UTF-8. *content* is null in a push that would be
    larger than 256,000 bytes, or that only says what is current: ask then, if it is new to you.
    """

    tenant: str
    position: int
    revision: int
    hash: str
    content: BundleContent | None
