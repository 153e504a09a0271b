"""Numbers that JSON has no exact form for, as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer

Amount: TypeAlias = Annotated[
    # Without an exponent: Decimal spells a zero with nine places as 0E-9.
    Decimal, PlainSerializer(lambda amount: format(amount, "f"), return_type=str)
]
