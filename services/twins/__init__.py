"""
The two twins of the requirements (3.1 to 3.3): the same engine, different documents.

    cantor      football commentator: extreme spikes, strict throttling
    fernandez   strategy consultant: long and deep sessions, a soft cap that steps down to text

They are what a first start provisions and what the demo plays with; change them like any policy.
"""

from services.twins.cantor import CANTOR
from services.twins.fernandez import FERNANDEZ

TWINS = (CANTOR, FERNANDEZ)

__all__ = ["CANTOR", "FERNANDEZ", "TWINS"]
