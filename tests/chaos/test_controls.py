"""
Negative controls: the checks of the kill tests must fail on a log, answers or tables that lie.

A short honest run is doctored in one place at a time. A check that passes then shows nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import NamedTuple

import msgspec
import psycopg
import pytest
from psycopg import sql

from contracts.budget import CallAuthorized, CallSettled
from tests.conftest import new_directory, new_nats
from tests.projector.read_side import connected, prepared
from tests.rig.checking import Logged, Placed, check_acknowledged, check_closed, examine, read_log
from tests.rig.deployment import Deployment
from tests.rig.loading import Load
from tests.rig.read_side import all_projected, check_tables, make_database
from tests.rig.twins import provision_twin

TENANT = "cantor"


class Told(NamedTuple):
    """What clients were told, what the log says, and where the tables are."""

    answers: list[dict]
    logged: Logged
    dsn: str


@pytest.fixture(scope="module")
def told(postgres):
    """An honest run of a second, with everything settled. Whoever doctors it takes a copy."""
    directory = new_directory()
    server = new_nats(directory / "nats", shards=2)
    name = f"test_{secrets.token_hex(6)}"

    async def run() -> Told:
        await server.start()
        await make_database(postgres.dsn(), name)
        dsn = postgres.dsn(name)
        variables = {"VITO_POSTGRES_DSN": await prepared(dsn)}
        deployment = Deployment(server, directory / "data", variables=variables)
        await deployment.set_up()
        try:
            await asyncio.gather(deployment.start("worker"), deployment.start("projector"))
            await provision_twin(deployment, TENANT)
            load = await Load.prepare(
                deployment, tenants=[TENANT], clients=3, seconds=1.0, think_s=0.01
            )
            await load.begin()
            answers = await load.answers()
            logged = await read_log(deployment, TENANT)
            await all_projected(deployment, dsn)
        finally:
            deployment.kill_all()
        return Told(answers, logged, dsn)

    yield asyncio.run(run())
    server.kill()
    server.remove()
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_the_honest_run_passes(told):
    """
    Otherwise a failure below would show nothing either.
    """
    assert check_acknowledged(told.answers, TENANT, told.logged) == len(told.answers) > 50
    check_closed(told.logged)
    assert await check_tables(told.dsn, TENANT, told.logged) > 20


# -- doctored answers -----------------------------------------------------------------------


def changed(told: Told, **changes) -> list[dict]:
    """The answers, with one settlement of them changed."""
    index = next(i for i, line in enumerate(told.answers) if line["kind"] == "settle")
    return [
        {**line, **changes} if number == index else line for number, line in enumerate(told.answers)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"command_id": "never-decided"},
        {"decision_id": f"{TENANT}.1"},
        {"decision_id": f"{TENANT}.99999999"},
        {"position": 1},
        {"position": 99_999_999},
        {"cost_nanos": 1},
    ],
)
def test_an_answer_that_the_log_does_not_have_is_found(told, changes):
    """
    Acknowledged and lost, decided as something else, stored elsewhere, booked otherwise.
    """
    with pytest.raises(AssertionError):
        check_acknowledged(changed(told, **changes), TENANT, told.logged)


def test_two_answers_to_one_command_are_found(told):
    """
    A command that was decided twice has told somebody so.
    """
    line = told.answers[0]
    other = {**line, "decision_id": told.answers[1]["decision_id"]}
    with pytest.raises(AssertionError):
        check_acknowledged([*told.answers, other], TENANT, told.logged)


# -- a doctored log --------------------------------------------------------------------------


def index_of(placed: list[Placed], kind: type) -> int:
    return next(i for i, one in enumerate(placed) if isinstance(one.event, kind))


def test_a_lost_commit_at_the_end_is_found(told):
    """
    The chain of what is left is unbroken; only the answers show what is missing.
    """
    last = told.logged.state.position
    kept = [one for one in told.logged.placed if one.position < last]
    with pytest.raises(AssertionError):
        check_acknowledged(told.answers, TENANT, examine(TENANT, kept))


def test_a_lost_decision_in_the_middle_is_found(told):
    """
    Decisions are numbered without gaps.
    """
    placed = list(told.logged.placed)
    del placed[index_of(placed, CallAuthorized)]
    with pytest.raises(AssertionError, match="not the next one"):
        examine(TENANT, placed)


def test_a_doubled_decision_is_found(told):
    """
    The same command under the next number is what a gate without memory would write.
    """
    placed = list(told.logged.placed)
    position, ordinal, event = placed[index_of(placed, CallAuthorized)]
    again = msgspec.structs.replace(event, decision=told.logged.state.decisions + 1)
    with pytest.raises(AssertionError, match="decided twice"):
        examine(TENANT, [*placed, Placed(position, ordinal, again)])


def test_a_limit_that_was_passed_is_found(told):
    """
    One grant beyond the limit, and everything else as it was.
    """
    placed = list(told.logged.placed)
    index = index_of(placed, CallAuthorized)
    dear = msgspec.structs.replace(placed[index].event, amount_nanos=2 * 10**15)
    logged = examine(TENANT, [*placed[:index], placed[index]._replace(event=dear)])
    with pytest.raises(AssertionError):
        check_closed(logged)


def test_a_hold_that_never_ends_is_found(told):
    """
    A settlement that got lost leaves money held for ever.
    """
    placed = told.logged.placed[: index_of(told.logged.placed, CallSettled)]
    with pytest.raises(AssertionError):
        check_closed(examine(TENANT, placed))


# -- doctored tables --------------------------------------------------------------------------

LAST = "WHERE decision = (SELECT max(decision) FROM {t})"
LIES = [
    ("audit_logs", f"DELETE FROM {{t}} {LAST}"),
    ("audit_logs", f"UPDATE {{t}} SET cost_nanos = cost_nanos + 1 {LAST}"),
    ("audit_logs", f"UPDATE {{t}} SET position = position + 1 {LAST}"),
    ("audit_logs", f"UPDATE {{t}} SET decision = 0 {LAST}"),
    ("billing_meters", "UPDATE {t} SET committed = committed + 1 WHERE unit = 'money'"),
    ("billing_meters", "UPDATE {t} SET held = held + 1 WHERE unit = 'data_request'"),
    ("billing_meters", "DELETE FROM {t} WHERE unit = 'money'"),
    ("tenants", "UPDATE {t} SET position = position - 1"),
]


async def tables_of(owner, table: str) -> str:
    """The schema in which the serving version of a table is."""
    found = await owner.execute(
        "SELECT schemaname FROM pg_tables WHERE tablename = %s AND schemaname ~ '_v[0-9]+$'",
        (table,),
    )
    return (await found.fetchone())[0]


@pytest.mark.parametrize("lie", LIES)
async def test_a_table_that_differs_in_one_place_is_found(told, lie):
    """
    One row, one nano, one position: whatever it is.
    """
    table, statement = lie
    async with connected(told.dsn) as owner:
        schema = await tables_of(owner, table)
        copy = f"{schema}.{table}_copy"
        await owner.execute(f"CREATE TABLE {copy} AS TABLE {schema}.{table}")
        changed_rows = await owner.execute(statement.replace("{t}", f"{schema}.{table}"))
        try:
            assert changed_rows.rowcount >= 1
            with pytest.raises(AssertionError):
                await check_tables(told.dsn, TENANT, told.logged)
        finally:
            await owner.execute(f"TRUNCATE {schema}.{table}")
            await owner.execute(f"INSERT INTO {schema}.{table} TABLE {copy}")
            await owner.execute(f"DROP TABLE {copy}")
    await check_tables(told.dsn, TENANT, told.logged)
