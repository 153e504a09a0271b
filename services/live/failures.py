"""What a vendor, the vault or the gate may do to a call without it being our mistake."""

from __future__ import annotations

from typing import Final

from services.client.errors import CannotVerify, NoGrant, SecretRefused
from services.vendors.adapter import BeyondGrant, VendorCutOff, VendorFailed, VendorUnreachable

CALL_FAILED: Final = (
    BeyondGrant,
    CannotVerify,
    NoGrant,
    SecretRefused,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
)
