"""Subjects: the only place that spells them, and the shard of a twin."""

import pytest

from contracts import subjects


@pytest.mark.parametrize(
    ("tenant", "hashed"),
    [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)],
)
def test_shard_is_the_published_fnv_1a(tenant, hashed):
    """The server routes by the same function; the vectors are those of its authors."""
    assert subjects.shard_of(tenant, 2**32) == hashed


def test_every_subject_has_its_place():
    """A subject is a contract like any other."""
    assert subjects.command("cantor", "budget", "authorize") == "cmd.cantor.budget.authorize"
    assert subjects.query("cantor", "rate") == "qry.cantor.rate.show"
    assert subjects.command("cantor", "budget", "top_up", "person_ana") == (
        "cmd.cantor.budget.top_up.person_ana"
    )
    assert subjects.query("cantor", "rate", "key_k1") == "qry.cantor.rate.show.key_k1"
    assert subjects.served(2, "cmd", "budget", "settle") == "shard.2.cmd.*.budget.settle.*"
    assert (subjects.stream(2), subjects.log_prefix(2)) == ("EVT_2", "evt.2")
    assert subjects.log_of("cantor", 2) == "evt.2.cantor.>"


def test_mappings_route_commands_and_questions_alike():
    """One rule per kind; the tenant's token decides."""
    assert subjects.mappings(4) == {
        f"{kind}.*.*.*{more}": (
            f"shard.{{{{partition(4,1)}}}}.{kind}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}"
            f".{{{{wildcard(3)}}}}.{who}"
        )
        for kind in ("cmd", "qry")
        for more, who in (("", "operator"), (".*", "{{wildcard(4)}}"))
    }
