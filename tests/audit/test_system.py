"""The audit of a running system: everything is proved, and what is spoiled is found."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import msgspec
import nats
import psycopg
import pytest

from contracts.budget import CallSettled
from contracts.policy_preview import PreviewPolicy
from contracts.subjects import log_prefix, shard_of
from contracts.views import VIEWS, BudgetView
from services.audit import live
from services.audit.access import Access, opened
from services.audit.following import Seen, Start, follow
from services.audit.moments import Until
from services.audit.preview import NotFit
from services.audit.replay import replay_until
from services.audit.status import status
from services.audit.verify import Verifier
from services.client.patience import Patience
from services.embedded import ports
from services.failure import Failure
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.secret import Secret
from tests.audit.conftest import CALLS, TWINS
from tests.audit.proving import asking_a_prover
from tests.audit.typed import run
from tests.conftest import TEST_USER
from tests.projections.twin_story import usage
from tests.rig.deployment import ROOT, Deployment

BRIEF = Patience(deadline_s=0.3, attempt_s=0.3)
NOW_US = 1_900_000_000_000_000


@asynccontextmanager
async def verifier(system: Deployment, **options):
    async with opened(system.settings) as access, Verifier(access, **options) as made:
        yield made


@pytest.mark.parametrize("tenant", TWINS)
async def test_a_running_system_is_proved(system, tenant):
    """Log, content, live gate and tables agree, and the report says so of each."""
    async with verifier(system) as made:
        report = await made.tenant(tenant)
        stream = await made.stream(shard_of(tenant, 2))

    assert report.findings == []
    states = {name: area.state for name, area in report.areas.items()}
    assert states == {
        "log": "proved",
        "content": "proved",
        "live": "proved",
        "snapshot": "none",
        "postgres": "proved",
    }
    assert f"{CALLS - 1} outcomes" in report.postgres.detail
    assert stream.listed == []


async def test_a_server_has_a_log_proved_by_another_process(system):
    """The page's way: the outcome of `vito verify`, with its progress, and nothing of others."""
    noted = []
    async with asking_a_prover(system) as prover:
        outcome = await prover.verify("cantor", lambda *far: noted.append(far))

    (report,) = outcome["tenants"]
    assert (outcome["exit_code"], report["tenant"]) == (0, "cantor")
    assert noted[-1] == (report["position"], report["position"])


async def test_a_prover_that_may_not_read_says_so(system, monkeypatch):
    """What its command tells reaches who has asked, with what to do."""
    known = {**system.variables, "VITO_NATS_AUDITOR_PASSWORD": "wrong"}
    monkeypatch.setattr(system, "variables", known)
    async with asking_a_prover(system) as prover:
        with pytest.raises(Failure, match=r"No connection to the bus.*Remedy: start everything"):
            await prover.verify("cantor", lambda *_far: None)


async def test_every_twin_is_found(system):
    """Whoever audits everything must not need a list of names."""
    async with verifier(system) as made:
        assert set(TWINS) <= set(await made.tenants())


async def test_a_system_at_work_is_proved(system):
    """Nobody stops a platform to audit it."""
    async with system.client("cantor") as gate, verifier(system) as made:
        busy = asyncio.create_task(keep_calling(gate))
        reports = [await made.tenant("cantor") for _ in range(3)]
        busy.cancel()

    assert [report.findings for report in reports] == [[], [], []]
    assert reports[0].position < reports[-1].position


async def keep_calling(gate) -> None:
    while True:
        granted = await asyncio.gather(
            *(
                gate.authorize(
                    modality="text", provider_id="text-vendor", sku="s", estimate=usage("text", 1)
                )
                for _ in range(8)
            )
        )
        for decision in granted:
            if decision.reservation_id:
                await gate.settle(decision.reservation_id, usage("text", 1))


async def test_a_replay_to_the_end_is_what_the_gate_shows(system):
    """The same fold of the same log, by another process."""
    async with opened(system.settings) as access:
        shown = await live.ask(access, "fernandez")
        store = access.store_of("fernandez")
        now_us = shown["rate"].now_us
        found = await replay_until("fernandez", store, access.keys, Until(), now_us=now_us)

    assert found.views == shown
    assert list(found.views) == list(VIEWS)


async def test_a_replay_to_a_position(system):
    """After the first commit there is a twin with an untouched budget."""
    async with opened(system.settings) as access:
        store = access.store_of("fernandez")
        found = await replay_until(
            "fernandez", store, access.keys, Until(position=1), now_us=NOW_US
        )
        with pytest.raises(Failure, match="ends at position"):
            await replay_until(
                "fernandez", store, access.keys, Until(position=10**6), now_us=NOW_US
            )
        with pytest.raises(Failure, match="has no log"):
            await replay_until("nobody", store, access.keys, Until(), now_us=NOW_US)

    budget = found.views["budget"]
    assert isinstance(budget, BudgetView)
    assert (budget.position, budget.open_holds, budget.remaining_nanos) == (1, 0, 20_000_000)


async def seen_of(access: Access, tenant: str | None, start: Start, count: int) -> list[Seen]:
    """The first *count* commits that a follower is shown."""
    seen: list[Seen] = []
    enough = asyncio.Event()

    async def show(one: Seen) -> None:
        seen.append(one)
        if len(seen) >= count:
            enough.set()

    following = asyncio.create_task(follow(access, tenant, start, show))
    async with asyncio.timeout(20):
        await enough.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return seen[:count]


async def test_following_one_twin_from_a_position(system):
    """Every commit from there on, opened, and none of another twin."""
    async with opened(system.settings) as access:
        last = (await access.store_of("fernandez").last("fernandez")).version
        seen = await seen_of(access, "fernandez", Start(position=2), last - 1)

    assert [one.recorded.version for one in seen] == list(range(2, last + 1))
    assert {one.recorded.originator_id for one in seen} == {"fernandez"}
    assert any(type(event) is CallSettled for one in seen for event in one.events)


async def test_following_begins_with_the_last_commits(system):
    """What happened just now is what somebody who looks wants to see."""
    async with opened(system.settings) as access:
        last = (await access.store_of("fernandez").last("fernandez")).version
        one = await seen_of(access, "fernandez", Start(commits=2), 2)
        every = await seen_of(access, None, Start(commits=3), 3)

    assert [seen.recorded.version for seen in one] == [last - 1, last]
    times = [seen.recorded.stored_at_us for seen in every]
    assert times == sorted(times)


async def test_following_since_a_time_shows_all_shards_in_order(system):
    """Two shards are two streams, and one story."""
    async with opened(system.settings) as access:
        everything = await seen_of(access, None, Start(since_us=0), 6)
        first = everything[2].recorded.stored_at_us
        later = await seen_of(access, None, Start(since_us=first), 3)

    assert [one.recorded.version for one in everything[:1]] == [1]
    assert later[0].recorded == everything[2].recorded


async def test_following_goes_on_with_what_is_new(system):
    """A tail that ends at the end would be a listing."""
    async with opened(system.settings) as access, system.client("cantor") as gate:
        last = (await access.store_of("cantor").last("cantor")).version
        waiting = asyncio.create_task(seen_of(access, "cantor", Start(position=last + 1), 1))
        receipt = await gate.top_up(1_000)
        (seen,) = await waiting

    assert seen.recorded.version == receipt.position == last + 1


async def test_a_position_needs_a_twin(system):
    """Positions of two twins have nothing to do with each other."""
    async with opened(system.settings) as access:
        with pytest.raises(Failure, match="single twin"):
            await follow(access, None, Start(position=1), print)


async def test_status_tells_who_serves_what(system):
    """Both shards have an owner that answers, and the projector reports."""
    found = await status(system.settings)

    assert found.faults == []
    assert [shard.owner for shard in found.shards] == [shard.serving[0] for shard in found.shards]
    assert sum(shard.commits or 0 for shard in found.shards) > 4
    assert {one.state for one in found.projectors} == {"running"}
    assert found.api_state == "not configured"


async def test_a_database_that_goes_away_is_not_held_against_the_log(system):
    """What is left is still proved, and the tables are not claimed."""
    async with verifier(system) as made:
        with psycopg.connect(system.settings.postgres_owner(), autocommit=True) as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'vito-audit'"
            )
        report = await made.tenant("cantor")

    assert report.findings == []
    assert (report.log.state, report.live.state) == ("proved", "proved")
    assert report.postgres.state == "not_checked"
    assert report.left_out == [f"postgres: {report.postgres.detail}"]


# -- the commands as they are typed ---------------------------------------------------------


def test_verify_as_it_is_typed(system):
    """Exit code 0 and a word about each area."""
    result = run(system, "verify")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "everything that was checked is as it must be" in result.stdout
    assert re.search(r"fernandez .* ✓ .* commits .* ✓ .* events .* ✓ equal at", result.stdout)


def test_replay_as_it_is_typed(system):
    """The views of the live query, with position and time."""
    result = run(system, "replay", "fernandez", "--until", "2", "--json")
    body = json.loads(result.stdout)

    assert body["position"] == body["views"]["budget"]["position"] == 2
    for noun, kind in VIEWS.items():
        msgspec.convert(body["views"][noun], type=kind)


async def test_a_policy_is_tried_on_the_log_by_a_process_of_its_own(system):
    """The policy in force changes nothing; a limit of nothing refuses every call."""
    async with opened(system.settings) as access:
        rules = (await live.ask(access, "fernandez"))["policy"].policy
    replace = msgspec.structs.replace
    nothing = replace(rules, budget=replace(rules.budget, monthly_hard_limit_nanos=0))
    nowhere = PreviewPolicy(policy=replace(rules, time_zone="Nowhere"), days=1)
    async with asking_a_prover(system) as prover:
        same = await prover.preview("fernandez", PreviewPolicy(policy=rules, days=31))
        none = await prover.preview("fernandez", PreviewPolicy(policy=nothing))
        with pytest.raises(NotFit, match=r"policy\.time_zone must be an IANA time zone"):
            await prover.preview("fernandez", nowhere)
        with pytest.raises(Failure, match="nobody has no log"):
            await prover.preview("nobody", PreviewPolicy(policy=rules))

    assert same.calls >= CALLS
    assert all(one.recorded_code == one.proposed_code for one in same.answers)
    assert same.cost_nanos == same.proposed_cost_nanos > 0
    assert {one.proposed for one in none.answers} == {"DENY"}
    assert (none.calls, none.proposed_cost_nanos) == (same.calls, 0)


def test_preview_as_it_is_typed(system):
    """What calls were and would be, and what they would have cost."""
    shown = json.loads(run(system, "show", "fernandez", "policy", "--json").stdout)
    result = run(system, "preview", "fernandez", "-", given=json.dumps(shown["policy"]))
    assert result.returncode == 0, result.stderr
    assert re.search(r"PASS granted +PASS granted +\d+", result.stdout)
    assert "would have cost at most $" in result.stdout
    failed = run(system, "preview", "fernandez", "-", given='{"rate": {}}')
    assert failed.returncode == 1
    assert "that is no policy" in failed.stderr


def test_tail_as_it_is_typed(system):
    """One line an event, as they come; Ctrl-C is how one ends it, so it is no failure."""
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", "tail", "fernandez"],
        env={"PATH": "/usr/bin:/bin", **system.variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines = [process.stdout.readline() for _ in range(6 + CALLS)]
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=90)

    assert process.returncode == 0, error
    assert error == ""
    assert "fernandez 1  provisioned 'Twin' of 'Test'" in lines[0]
    assert re.search(
        r" -0[5-7]00  fernandez 2  authorised text call 2 text-vendor/s: holds \$0\.0", lines[5]
    )


def test_show_as_it_is_typed(system):
    """What an operator looks at first; what was held may have run out meanwhile."""
    result = run(system, "show", "fernandez", "budget")

    assert result.returncode == 0, result.stderr
    assert re.search(r"money +\$0\.00\d+ +\$0\.00\d* +\$0\.02 ", result.stdout)


# -- what is spoiled, last: nothing after it is as it was -------------------------------------


def test_a_doctored_table_is_found(system):
    """Exit code 1, and where."""
    owner_dsn = system.settings.postgres_owner()
    change = "UPDATE audit_log_v1.audit_logs SET cost_nanos = cost_nanos {} 1 WHERE tenant = %s"
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        owner.execute(change.format("+"), ("fernandez",))
        result = run(system, "verify", "fernandez", "--json")
        owner.execute(change.format("-"), ("fernandez",))

    assert result.returncode == 1
    (report,) = json.loads(result.stdout)["tenants"]
    assert report["findings_count"] == CALLS - 1
    assert report["findings"][0]["what"].startswith("audit_logs, cost_nanos of decision")
    assert report["log"]["state"] == "proved"
    assert report["postgres"]["state"] == "differs"


async def test_a_twin_that_only_the_tables_know(system):
    """Rows without a log are somebody's invention, or what is left of one that was cut away."""
    insert = (
        "INSERT INTO tenants_v1.tenants SELECT 'ghost', shard, status, reason, display_name,"
        " organisation, currency, time_zone, policy_version, price_version, provisioned_at,"
        " position, last_commit_at FROM tenants_v1.tenants LIMIT 1"
    )
    with psycopg.connect(system.settings.postgres_owner(), autocommit=True) as owner:
        owner.execute(insert)
    async with verifier(system, with_live=False) as made:
        assert "ghost" in await made.tenants()
        report = await made.tenant("ghost")

    assert report.position == 0
    assert {finding.check for finding in report.findings} == {"postgres"}
    assert "tenants, position" in {finding.what for finding in report.findings}


async def test_a_log_in_another_shard(system):
    """The gate would never look for it there."""
    home = shard_of("misplaced", 2)
    connection = await nats.connect(system.bus.url_for(TEST_USER))
    await connection.jetstream().publish(f"{log_prefix(1 - home)}.misplaced.budget", b"x")
    await connection.close()
    async with verifier(system, with_postgres=False) as made:
        (only,) = (await made.stream(1 - home)).listed

    assert (only.what, only.expected, only.found) == (
        "shard of misplaced",
        str(home),
        str(1 - home),
    )


async def test_an_erased_twin_whose_rows_are_still_there(system):
    """Somebody destroyed its keys and told nobody: what is left is not called erased."""
    connection = await nats.connect(system.bus.url_for(TEST_USER))
    await (await JetStreamKeyStore.open(connection.jetstream())).erase("fernandez")
    await connection.close()
    async with verifier(system) as made:
        report = await made.tenant("fernandez")

    assert (report.postgres.state, report.left_out) == (
        "not_checked",
        ["postgres: the projector has not removed its rows yet"],
    )


async def test_an_erased_twin(system):
    """Its chain is proved for ever; nobody claims to have seen the content."""
    async with await psycopg.AsyncConnection.connect(system.settings.postgres()) as projector:
        await projector.execute("SELECT vito.erase_tenant('fernandez')")
    async with verifier(system) as made:
        report = await made.tenant("fernandez")

    assert report.erased
    assert report.findings == []
    assert report.log.state == "proved"
    states = {name: area.state for name, area in report.areas.items() if name != "log"}
    assert set(states.values()) == {"none"}
    assert "erased" in report.content.detail


async def test_a_message_that_no_writer_wrote(system):
    """Whoever gets past the permissions of the bus is found in the log."""
    connection = await nats.connect(system.bus.url_for(TEST_USER))
    subject = f"{log_prefix(shard_of('cantor', 2))}.cantor.budget"
    await connection.jetstream().publish(subject, b"forged")
    await connection.close()
    async with verifier(system, with_live=False, with_postgres=False) as made:
        report = await made.tenant("cantor")

    (only,) = report.findings
    assert (only.check, only.position) == ("log", report.position + 1)
    assert "not written by us" in only.what
    assert report.content.state == report.live.state == report.postgres.state == "not_checked"
    assert report.left_out == [f"content: after position {report.position}"]


async def test_what_does_not_answer_is_never_claimed(system):
    """Without a worker nobody knows what the gate would have shown, nor what is in tables."""
    system.processes[0].kill()
    down = f"postgresql://x:y@127.0.0.1:{ports.pick()}/vito"
    settings = msgspec.structs.replace(system.settings, postgres_reader_dsn=Secret(down))
    async with opened(settings) as access, Verifier(access, patience=BRIEF) as made:
        report = await made.tenant("cantor")

    assert (report.live.state, report.postgres.state) == ("not_checked", "not_checked")
    assert {what.partition(":")[0] for what in report.left_out} == {"content", "live", "postgres"}
    faults = (await status(system.settings)).faults
    assert any("does not answer" in fault or "nobody holds" in fault for fault in faults)
