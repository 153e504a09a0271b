"""
The database of the read side: made and brought up to date, by its owner, before anybody uses it.

    roles.sql          runs every time: who writes, who reads views, who indexes
    NNNN_<name>.sql    run once each, in order, together in one transaction

`prepare_database` is the one call that a deployment needs; it may be repeated at every start.
"""

from __future__ import annotations

from services.migrations.database import Prepared, RolePasswords, prepare_database
from services.migrations.runner import MigrationRefused, migrate

__all__ = ["MigrationRefused", "Prepared", "RolePasswords", "migrate", "prepare_database"]
