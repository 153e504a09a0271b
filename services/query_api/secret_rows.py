"""The SQL about what is in a vault."""

from __future__ import annotations

from typing import Final

from services.query_api.statements import Keys, Page, Row, Snapshot

# *age* counts backwards, so that the newest version comes first where names go forwards.
_VAULT: Final = (
    "name, version, age, state, key_version, put_at, put_by, usable_until, ended_by,"
    " reason, openings, last_opened_at, last_opened_by, last_four, position AS changed_position,"
    " (usable_until IS NULL OR usable_until > now()) AS usable"
)


class SecretRows(Snapshot):
    """Names and versions of secrets."""

    async def secrets(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Versions of secrets, by name."""
        vault = "(SELECT *, -version AS age FROM tenant_secrets) AS vault"
        page = Page(_VAULT, vault, ("name", "age"), "ASC").of(tenant)
        return await self._page(page, after, limit)
