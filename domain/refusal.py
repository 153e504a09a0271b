"""A refusal: one named way to say no. See `refusals` for all of them."""

from __future__ import annotations

import msgspec


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """
    Why not. *status* is HTTP-like, *message* says what is the case, *remedy* what to do.

    402 money, 403 not allowed, 404 no such thing, 409 conflict, 410 gone for good,
    422 cannot be right, 429 too fast, 503 cannot be verified.
    """

    code: str
    status: int
    message: str
    remedy: str
