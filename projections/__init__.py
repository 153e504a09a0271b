"""
Commits to rows: what PostgreSQL shows is a fold of the log and nothing else.

One projection is one module; see `projection.py` for what a module offers and `ALL` for the list.
To change what a projection shows, change its module, raise its DEFINITION and rebuild it: a new
version is filled from the log beside the serving one, and then they switch (`vito rebuild`).
"""

from __future__ import annotations

from projections import (
    access,
    account,
    audit_log,
    billing_meters,
    decisions,
    deployments,
    holds,
    knowledge,
    policies,
    price_books,
    prompts,
    sessions,
    tenant_secrets,
    tenants,
    topics,
    twins,
    usage,
)
from projections.projection import Projection

ALL: tuple[Projection, ...] = (
    policies,
    price_books,
    audit_log,
    decisions,
    holds,
    billing_meters,
    access,
    account,
    prompts,
    topics,
    twins,
    deployments,
    knowledge,
    tenant_secrets,
    sessions,
    usage,
    tenants,
)
