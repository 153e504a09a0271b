"""
Erasing: what the tables keep of a twin whose key is destroyed.

Its rows are deleted in the transaction in which its last commit is applied, or the first one that
nobody can open any more; from then on there is nothing to apply. `tenants` keeps an empty row.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from contracts.tenant import TenantErased
from projections.projection import Commit


def is_end(commit: Commit) -> bool:
    """Whether nothing of the twin may be shown from this commit on."""
    # The event that says so is the last one of a log.
    return commit.erased or bool(commit.events and type(commit.events[-1]) is TenantErased)


async def erase_rows(connection: AsyncConnection[TupleRow], tenants: Iterable[str]) -> None:
    """Delete the rows of erased twins from every version of every projection."""
    for tenant in tenants:
        await connection.execute("SELECT vito.erase_tenant(%s)", (tenant,))
