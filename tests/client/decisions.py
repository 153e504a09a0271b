"""Decisions as a gate would send them."""

import msgspec

from contracts.replies import Decision

SECOND_US = 1_000_000
NOW_US = 5_000 * SECOND_US

_GRANTED = Decision(
    decision="PASS",
    status=200,
    code="granted",
    command_id="c7",
    decision_id="cantor.7",
    position=3,
    reservation_id="cantor.7",
    requested="data",
    modality="data",
    provider_id="acme",
    sku="calls",
)


def granted(**fields):
    return msgspec.structs.replace(_GRANTED, **fields)


def extended(reservation_id, decision_id):
    return granted(
        code="extended",
        decision_id=decision_id,
        reservation_id=reservation_id,
        provider_id="",
        sku="",
    )


def denied():
    return granted(
        decision="DENY",
        status=402,
        code="monthly_hard_limit_reached",
        reservation_id=None,
        modality=None,
    )
