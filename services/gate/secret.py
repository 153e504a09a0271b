"""
What the rules must not see: the value of a secret, on its way in and on its way out.

In: it is taken out of its command, sealed for its place, and put into the envelope. Out: the box
is opened into the answer, when the opening is durable and the answer is about to be sent. In
between there are boxes, and the last four characters of a long value; nothing here writes a value,
or anything else made from one, anywhere.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b

import msgspec
import structlog

from contracts.commands import AnyCommand
from contracts.questions import CompareSecret, SecretComparison
from contracts.replies import Receipt
from contracts.secret import PutSecret, RotateSecret, last_four
from domain import secret
from domain.answer import not_decided, with_value
from domain.state import Envelope, State
from domain.vault_refusals import SECRET_UNREADABLE
from services.gate.data_keys import DataKeys
from services.gate.waiter import Answer
from services.sealing.box import BoxRejected

_encode = msgspec.msgpack.Encoder().encode
_log = structlog.get_logger()


def fingerprint(command: AnyCommand, keys: DataKeys | None) -> bytes:
    """
    Digest a command's payload, the same for JSON and MessagePack.

    With a key of the tenant if the payload holds a secret: the digest is kept in the log.
    """
    if isinstance(command, PutSecret | RotateSecret):
        assert keys is not None, "a twin that is there has a key"
        return keys.fingerprint(_encode(command))
    return blake2b(_encode(command), digest_size=8).digest()


def prepared(
    state: State, keys: DataKeys | None, command: AnyCommand, envelope: Envelope
) -> tuple[AnyCommand, Envelope]:
    """Take a value out of its command and seal it; say which key seals what is new."""
    assert keys is not None, "a twin that is there has a key"
    if isinstance(command, PutSecret | RotateSecret):
        version = secret.next_version(state.secrets, command.name)
        sealed = keys.seal(command.name, version, command.value)
        envelope = envelope._replace(sealed=sealed, last_four=last_four(command.value))
        command = msgspec.structs.replace(command, value="")
    return command, envelope._replace(key_version=keys.version)


def compared(state: State, keys: DataKeys | None, asked: CompareSecret) -> SecretComparison:
    """Say whether a command is the one that was decided with a fingerprint."""
    is_same = keys is not None and hmac.compare_digest(
        fingerprint(asked.command, keys), asked.fingerprint
    )
    return SecretComparison(tenant=state.name, position=state.position, is_same=is_same)


def revealed(tenant: str, keys: DataKeys | None, told: Answer, held: secret.Held) -> Answer:
    """Add the value to the answer of an opening."""
    assert isinstance(told, Receipt), "an opening is answered with a receipt"
    assert keys is not None, "a twin that is there has a key"
    name = str(told.facts["name"])
    try:
        return with_value(told, keys.open(name, held))
    except (BoxRejected, KeyError) as problem:
        _log.error("box_rejected", tenant=tenant, version=held.version, reason=str(problem))
        return not_decided(told.command_id, SECRET_UNREADABLE, retry_after_ms=None)
