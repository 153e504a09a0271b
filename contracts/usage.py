"""
What a vendor call consumes, in the finest grain that vendors bill.

The document's three units are sums of these:

    token_unit        1,000 tokens, input and output
    minute_unit       60,000 ms of generated stream
    interaction_unit  1 successful turn
"""

from __future__ import annotations

import msgspec

from contracts.message import Part, Quantity

TOKENS_PER_UNIT = 1_000
MS_PER_MINUTE_UNIT = 60_000
TURNS_PER_UNIT = 1


class Usage(Part, frozen=True):
    """Quantities of one call: an upper bound before it, the truth after it."""

    input_tokens: Quantity = 0
    output_tokens: Quantity = 0
    stream_ms: Quantity = 0
    characters: Quantity = 0
    requests: Quantity = 0
    turns: Quantity = 0


class Units(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A usage as the tenant's policy weighs it, in thousandths of the base quantity.

    1 token_unit is 1,000,000 of *tokens_milli*; 1 minute_unit is 60,000,000 of *stream_ms_milli*;
    1 interaction_unit is 1,000 of *turns_milli*; a data request is 1,000 of *requests_milli*.
    """

    tokens_milli: int = 0
    stream_ms_milli: int = 0
    turns_milli: int = 0
    requests_milli: int = 0


NO_UNITS = Units()
