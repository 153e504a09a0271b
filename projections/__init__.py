"""
Commits to rows: what PostgreSQL shows is a fold of the log and nothing else.

One projection is one module; see `projection.py` for what a module offers and `ALL` for the list.
To change what a projection shows, change its module, raise its DEFINITION and rebuild it: a new
version is filled from the log beside the serving one, and then they switch (`vito rebuild`).
"""

from __future__ import annotations

from projections import (
    audit_log,
    billing_meters,
    decisions,
    holds,
    policies,
    price_books,
    tenant_secrets,
    tenants,
)
from projections.projection import Projection

ALL: tuple[Projection, ...] = (
    policies,
    price_books,
    audit_log,
    decisions,
    holds,
    billing_meters,
    tenant_secrets,
    tenants,
)
