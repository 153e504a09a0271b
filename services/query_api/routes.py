"""The table of paths: the server serves it and the OpenAPI document describes it."""

from __future__ import annotations

from typing import Final

from services.query_api import (
    audit_log,
    decisions,
    holds,
    meters,
    parameters,
    policy,
    price_book,
    refusals,
    secret,
    tenants,
)
from services.query_api.call import AnyRoute, Route
from services.query_api.problems import DECISION_UNKNOWN, INVALID_CURSOR, VERSION_UNKNOWN

TENANT: Final = "/v1/tenants/{tenant}"

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "/v1/tenants",
        "listTenants",
        "The twins, by name.",
        parameters.ListQuery,
        tenants.TenantsPage,
        tenants.show_all,
        (INVALID_CURSOR,),
    ),
    Route(
        TENANT,
        "readTenant",
        "One twin: its state and the position that is known of its log.",
        parameters.PositionQuery,
        tenants.Tenant,
        tenants.show,
    ),
    Route(
        f"{TENANT}/meters",
        "readMeters",
        "What a twin has committed and holds in a month, against its limits.",
        meters.MetersQuery,
        meters.Meters,
        meters.show,
    ),
    Route(
        f"{TENANT}/audit-log",
        "listAuditLog",
        "One entry for the outcome of each vendor call, newest first.",
        audit_log.AuditLogQuery,
        audit_log.AuditLogPage,
        audit_log.show,
        (INVALID_CURSOR,),
    ),
    Route(
        f"{TENANT}/decisions",
        "listDecisions",
        "What the gate decided, newest first.",
        decisions.DecisionsQuery,
        decisions.DecisionsPage,
        decisions.show_all,
        (INVALID_CURSOR,),
    ),
    Route(
        f"{TENANT}/decisions/{{decision_id}}",
        "readDecision",
        "One decision: what was asked, what was answered and on what grounds.",
        parameters.PositionQuery,
        decisions.DecisionDetail,
        decisions.show,
        (DECISION_UNKNOWN,),
    ),
    Route(
        f"{TENANT}/refusal-counts",
        "listRefusalCounts",
        "Refusals of floods, counted per minute and code instead of listed, newest first.",
        refusals.RefusalCountsQuery,
        refusals.RefusalCountsPage,
        refusals.show,
        (INVALID_CURSOR,),
    ),
    Route(
        f"{TENANT}/holds",
        "listHolds",
        "Money set aside for calls, and what became of it, newest first.",
        holds.HoldsQuery,
        holds.HoldsPage,
        holds.show,
        (INVALID_CURSOR,),
    ),
    Route(
        f"{TENANT}/policy",
        "readPolicy",
        "The policy that decides.",
        parameters.PositionQuery,
        policy.PolicyVersion,
        policy.show,
        (VERSION_UNKNOWN,),
    ),
    Route(
        f"{TENANT}/policy/versions",
        "listPolicyVersions",
        "Every version of the policy, newest first.",
        parameters.PageQuery,
        policy.PolicyVersionsPage,
        policy.versions,
        (INVALID_CURSOR,),
    ),
    Route(
        f"{TENANT}/policy/versions/{{version}}",
        "readPolicyVersion",
        "One version of the policy.",
        parameters.PositionQuery,
        policy.PolicyVersion,
        policy.show,
        (VERSION_UNKNOWN,),
    ),
    Route(
        f"{TENANT}/price-book",
        "readPriceBook",
        "The prices of new calls, with the provenance of each.",
        parameters.PositionQuery,
        price_book.PriceBookVersion,
        price_book.show,
        (VERSION_UNKNOWN,),
    ),
    Route(
        f"{TENANT}/secrets",
        "listSecrets",
        "What is in a twin's vault, by name and version; values are never shown.",
        parameters.PageQuery,
        secret.SecretsPage,
        secret.show,
        (INVALID_CURSOR,),
    ),
)
