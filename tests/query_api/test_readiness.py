"""Ready means: what is answered now is not too old. Unknown is not ready."""

import asyncio

import nats
import psycopg
import pytest

from contracts import subjects
from services.embedded.polling import until
from services.http_api.app import Limits
from services.migrations import prepare_database
from services.query_api.lag import Applied, HeadsUnknown, LagGauge, NatsStreamHeads
from services.query_api.problems import READ_SIDE_UNAVAILABLE, HttpProblem
from services.query_api.read_side import PoolLimits
from services.settings import NatsLogin
from tests.query_api.conftest import FakeHeads, as_reader, serving
from tests.query_api.twins import Twin

PATIENCE_S = 20.0
FRESH = Limits(lag_max=2, lag_max_age_s=0)


@pytest.fixture
async def watched(database, tables):
    """A server with a tight bound, and a twin whose log it follows."""
    twin = Twin("cantor")
    await tables.add(twin, twin.provision())
    async with serving(as_reader(database), heads=FakeHeads({0: 1}), limits=FRESH) as api:
        yield api, tables, twin


async def test_it_is_ready_when_every_projection_is_close_to_the_log(watched):
    """And says how close."""
    api, _, _ = watched
    api.heads.heads = {0: 3}

    answer = await api.get("/readyz", key=None)

    assert (answer.status, answer.json["status"]) == (200, "ready")
    shards = answer.json["shards"]
    assert {shard["behind"] for shard in shards} == {2}
    assert {"audit_log", "billing_meters", "tenants"} <= {shard["projection"] for shard in shards}


async def test_it_is_not_ready_while_a_projection_is_too_far_behind(watched):
    """And is again when it has caught up; meanwhile it still answers who insists."""
    api, tables, twin = watched
    api.heads.heads = {0: 4}
    late = await api.get("/readyz")
    insisting = await api.get("/v1/tenants/cantor")
    await tables.add(twin, twin.authorize())
    caught_up = await api.get("/readyz")

    assert (late.status, late.json["code"], late.headers["Retry-After"]) == (503, "not_ready", "1")
    assert "audit_log: shard 0 is 3 commits behind" in late.json["faults"]
    assert {shard["behind"] for shard in late.json["shards"]} == {3}
    assert insisting.status == 200
    assert caught_up.status == 200


async def test_a_shard_that_nobody_has_projected_counts_from_its_beginning(watched):
    """A missing row must not look like a shard without a log."""
    api, _, _ = watched
    api.heads.heads = {0: 1, 1: 9}

    answer = await api.get("/readyz")

    assert answer.status == 503
    assert "tenants: shard 1 is 9 commits behind" in answer.json["faults"]


async def test_it_is_not_ready_when_the_log_cannot_be_asked(watched):
    """An unknown lag is not a small lag."""
    api, _, _ = watched
    api.heads.away = True
    answer = await api.get("/readyz")
    metrics = (await api.get("/metrics")).body.decode()
    api.heads.away = False

    assert (answer.status, answer.json["shards"]) == (503, [])
    assert answer.json["faults"][0].startswith("log: ")
    assert "vito_projection_lag_known 0.0" in metrics
    assert (await api.get("/readyz")).status == 200


async def test_it_is_not_ready_when_a_projector_has_stopped(watched, tables):
    """A log at rest hides that nobody follows it any more."""
    api, _, _ = watched
    await tables.connection.execute(
        "INSERT INTO vito.shard_status (shard, state, error, reported_at)"
        " VALUES (0, 'stopped', 'hunter2', now())"
    )
    answer = await api.get("/readyz")

    assert (answer.status, answer.json["faults"]) == (503, ["projector: shard 0 has stopped"])
    assert b"hunter2" not in answer.body


async def test_it_is_not_ready_before_the_tables_are_there(database):
    """Started before the migrations, it waits and does not crash."""
    async with serving(database, limits=FRESH) as api:
        ready, question = await api.get("/readyz"), await api.get("/v1/tenants/cantor")
        assert (await api.get("/healthz")).status == 200
        await prepare_database(database)
        prepared = await api.get("/v1/tenants")

    assert ready.status == 503
    assert (question.status, question.json["code"]) == (503, "read_side_unavailable")
    assert (prepared.status, prepared.json["items"]) == (200, [])


async def test_it_survives_a_restart_of_postgres(own_postgres):
    """While it is away: alive, not ready, 503 with Retry-After. Then all is well by itself."""
    await prepare_database(own_postgres.dsn())
    hasty = PoolLimits(acquire_s=1.0)
    async with serving(as_reader(own_postgres.dsn()), limits=FRESH, pool=hasty) as api:
        first = await api.get("/v1/tenants/cantor")
        # A projection that serves nothing yet has no position to compare.
        before = await api.get("/readyz")
        own_postgres.kill()
        questions = [api.get("/v1/tenants/cantor") for _ in range(6)]
        away = await asyncio.gather(*questions)
        ready, alive = await api.get("/readyz"), await api.get("/healthz")
        await own_postgres.start()

        async def answered():
            return (await api.get("/v1/tenants/cantor")).status == 404

        await until(answered, every_s=0.05, timeout_s=PATIENCE_S)
        back = await asyncio.gather(*[api.get("/v1/tenants/cantor") for _ in range(20)])

    assert first.status == 404
    assert before.json["faults"] == ["database: no projection serves"]
    assert {(answer.status, answer.json["code"]) for answer in away} == {
        (503, "read_side_unavailable")
    }
    assert {answer.headers["Retry-After"] for answer in away} == {"1"}
    assert ready.status == 503
    assert ready.json["faults"] == ["database: read_side_unavailable"]
    assert alive.status == 200
    assert {answer.status for answer in back} == {404}


async def test_connections_that_died_unseen_are_replaced_within_the_question(api, known_database):
    """After a short restart of Postgres the first readers must not pay for it."""
    await asyncio.gather(*[api.get("/v1/tenants") for _ in range(8)])
    async with await psycopg.AsyncConnection.connect(known_database) as owner:
        ended = await owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'vito-api'"
        )
        assert {row[0] for row in await ended.fetchall()} == {True}

    answers = [await api.get("/v1/tenants/cantor") for _ in range(8)]

    assert {answer.status for answer in answers} == {200}


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


async def test_probing_often_does_not_ask_the_servers_often():
    """A probe that everybody may call must not be a way to load the log."""
    heads, clock = FakeHeads({0: 5}), Clock()

    async def applied():
        return [Applied("audit_log", 0, 4, "running")]

    gauge = LagGauge(heads, applied, max_age_s=1.0, clock_s=clock)
    lags = await asyncio.gather(*[gauge.read() for _ in range(50)])
    clock.now_s = 1.0
    heads.heads = {0: 9}
    later = await gauge.read()

    assert heads.asked == 2
    assert {lag.worst for lag in lags} == {1}
    assert later.worst == 5


async def test_a_position_beyond_the_known_end_is_no_lag():
    """The end is read first, so the tables may know more."""

    async def applied():
        return [Applied("audit_log", 0, 7, "running")]

    assert (await LagGauge(FakeHeads({0: 5}), applied).read()).worst == 0


async def test_a_database_that_is_away_is_a_fault_and_not_an_error():
    """The probe itself always answers."""

    async def applied():
        raise HttpProblem(READ_SIDE_UNAVAILABLE, "away")

    lag = await LagGauge(FakeHeads({0: 5}), applied).read()

    assert lag.faults == ("database: read_side_unavailable",)


async def test_the_ends_of_the_log_come_from_jetstream_with_the_rights_of_the_api(nats_factory):
    """On a real server, also after it was away; the role can read the ends and nothing else."""
    server = nats_factory(shards=2)
    await server.start()
    owner = await nats.connect(server.url_for("unrestricted"))
    for shard in range(2):
        name = subjects.stream(shard)
        await owner.jetstream().add_stream(name=name, subjects=[f"{subjects.log_prefix(shard)}.>"])
    for _ in range(3):
        await owner.jetstream().publish("evt.1.cantor.budget", b"commit")
    await owner.close()
    password = next(user.password for user in server.config.users if user.name == "api")
    login = NatsLogin((server.url,), "api", password).options()
    heads = NatsStreamHeads(login, 2)
    try:
        assert await heads.read() == {0: 0, 1: 3}
        server.kill()
        with pytest.raises(HeadsUnknown):
            await heads.read()
        await server.start()

        async def read_again():
            try:
                return await heads.read() == {0: 0, 1: 3}
            except HeadsUnknown:
                return False

        await until(read_again, every_s=0.05, timeout_s=PATIENCE_S)
        with pytest.raises(HeadsUnknown, match="did not answer"):
            await NatsStreamHeads(login, 3).read()
    finally:
        await heads.close()


async def test_metrics_have_no_label_that_callers_choose(api):
    """Every new value would be a new time series, for ever."""
    for path in ("/v1/tenants/cantor/meters", "/v1/tenants/nobody", "/chosen-by-a-caller"):
        await api.get(path)
    await api.get("/v1/tenants", key="wrong" * 8)

    answer = await api.get("/metrics")
    text = answer.body.decode()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'route="/v1/tenants/{tenant}/meters",status="200"' in text
    assert 'vito_api_problems_total{code="tenant_unknown"} 1.0' in text
    assert 'vito_api_problems_total{code="key_refused"} 1.0' in text
    assert 'vito_projection_lag_commits{projection="audit_log",shard="0"} 0.0' in text
    assert 'route="unmatched",status="404"' in text
    assert 'vito_api_db_pool{state="busy"} 0.0' in text
    assert "cantor" not in text
    assert "nobody" not in text
    assert "chosen-by-a-caller" not in text
