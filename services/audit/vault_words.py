"""Events about secrets, data keys and erasure in plain words. No value is in any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from contracts.commit import AnyEvent
from contracts.data_key import DataKeyRotated
from contracts.secret import SecretOpened, SecretPut, SecretReopened, SecretRevoked, SecretRotated
from contracts.tenant import TenantErased
from services.audit.teller import Teller, because

CAREFUL: Final = (SecretPut, SecretRotated, SecretOpened, SecretReopened, DataKeyRotated)


def _erased(event: TenantErased, _tell: Teller) -> str:
    return f"erased by {event.actor}{because(event.reason)}; its keys are destroyed next"


def _secret_put(event: SecretPut, _tell: Teller) -> str:
    return f"put secret {event.name}, version {event.version}, by {event.actor}"


def _secret_rotated(event: SecretRotated, tell: Teller) -> str:
    return (
        f"rotated secret {event.name} to version {event.version}, by {event.actor};"
        f" version {event.replaced} until {tell.day(event.replaced_until_us)}"
    )


def _secret_revoked(event: SecretRevoked, _tell: Teller) -> str:
    versions = ", ".join(map(str, event.versions))
    return (
        f"revoked secret {event.name}, version {versions}, by {event.actor}{because(event.reason)}"
    )


def _secret_opened(event: SecretOpened, _tell: Teller) -> str:
    return (
        f"opened secret {event.name}, version {event.version}, to {event.actor}"
        f" for call {event.reservation}"
    )


def _secret_reopened(event: SecretReopened, _tell: Teller) -> str:
    return (
        f"opened secret {event.name}, version {event.version}, to {event.actor} again"
        f" for call {event.reservation}, as decision {event.opening} did"
    )


def _data_key_rotated(event: DataKeyRotated, _tell: Teller) -> str:
    return f"rotated the data key to version {event.version}, by {event.actor}"


WORDS: Final[Mapping[type[AnyEvent], Callable[[Any, Teller], str]]] = {
    TenantErased: _erased,
    SecretPut: _secret_put,
    SecretRotated: _secret_rotated,
    SecretRevoked: _secret_revoked,
    SecretOpened: _secret_opened,
    SecretReopened: _secret_reopened,
    DataKeyRotated: _data_key_rotated,
}
