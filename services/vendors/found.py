"""A session of ours that a vendor told of when it was asked."""

from __future__ import annotations

import msgspec

from contracts.usage import Usage
from services.vendors.session_name import SessionName


class FoundSession(msgspec.Struct, frozen=True, kw_only=True):
    """
    One session. *ref* is the vendor's name for it; times are the vendor's, Unix microseconds.

    *lasted* is what it consumed from its creation to its end, None while it runs or when the vendor
    does not say.
    """

    name: SessionName
    ref: str
    created_us: int
    is_over: bool
    lasted: Usage | None = None
