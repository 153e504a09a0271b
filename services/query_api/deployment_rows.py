"""The SQL about where a twin is shown."""

from __future__ import annotations

from typing import Final

from services.query_api.statements import Keys, Page, Row, Snapshot

_DEPLOYMENT: Final = (
    "deployment, version, surface, ceiling, origins, mints_per_minute, expires_at, enabled,"
    " disclosure_version, disclosure, language, admitted, last_admitted_at, created_at,"
    " changed_at, changed_by, position AS changed_position"
)
_DISCLOSURE: Final = (
    "version, disclosure, language, note, actor, occurred_at, decision_id,"
    " position AS changed_position"
)


class DeploymentRows(Snapshot):
    """Deployments and the versions of what they disclose."""

    async def deployment(self, tenant: str, deployment: str) -> Row | None:
        """A deployment."""
        return await self._one(
            _DEPLOYMENT,
            "twin_deployments WHERE tenant = %(tenant)s AND deployment = %(name)s",
            tenant,
            name=deployment,
        )

    async def deployments(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Deployments by their id."""
        page = Page(_DEPLOYMENT, "twin_deployments", ("deployment",), "ASC").of(tenant)
        return await self._page(page, after, limit)

    async def disclosures(
        self, tenant: str, deployment: str, after: Keys | None, limit: int
    ) -> list[Row]:
        """Versions of a disclosure, newest first."""
        page = Page(_DISCLOSURE, "twin_disclosures", ("version",)).of(tenant)
        page.also("deployment = %(deployment)s", deployment=deployment)
        return await self._page(page, after, limit)
