"""
Nothing reaches a vendor without a grant.

The adapters are found, not listed: a new one is under these tests from its first line on.
"""

import ast
import asyncio
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

from contracts.usage import Usage
from services import vendors
from services.client.errors import NoGrant
from services.client.grant import Grant, GrantDesk
from services.client.patience import Timing
from services.vendors.adapter import ENDS_SPENDING, RECONCILES, StreamAdapter, VendorAdapter
from services.vendors.outbound import Outbound
from tests.client.decisions import NOW_US, SECOND_US, denied, granted

FOLDER = Path(vendors.__file__).parent
NETWORK = {"aiohttp", "asyncio.streams", "grpc", "http", "httpx", "livekit", "nats", "requests"}
NETWORK |= {"socket", "ssl", "urllib", "urllib3", "websockets"}
# One opens connections, one is what travels on them, one is the vendor itself.
MAY_USE_THE_NETWORK = {"outbound.py", "outbound_pieces.py", "counting_vendor.py"}


def adapters():
    for module in pkgutil.walk_packages(vendors.__path__, "services.vendors."):
        importlib.import_module(module.name)
    return [kind for kind in VendorAdapter.adapters if not inspect.isabstract(kind)]


def calling_methods():
    """Every public coroutine (or generator of them) of every adapter."""
    return [
        pytest.param(kind, name, id=f"{kind.__name__}.{name}")
        for kind in adapters()
        for name, method in inspect.getmembers(kind)
        if not name.startswith("_")
        and (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method))
    ]


def made(kind, outbound):
    """An adapter that shows its vendor a key, if it can."""
    can = "secret_name" in inspect.signature(kind).parameters
    return kind("acme", outbound, **({"secret_name": "acme"} if can else {}))


class Bench:
    """A clock, and grants in every state."""

    def __init__(self, purpose="live"):
        self.us = NOW_US
        self.purpose = purpose
        # What the gate was asked to open.
        self.asked = []
        self.desk = GrantDesk("cantor", Timing(monotonic_us=lambda: self.us), self.open)
        self.number = 0

    def grant(self, *, purpose=None, **fields):
        self.number += 1
        name = f"cantor.{self.number}"
        decision = granted(decision_id=name, reservation_id=name, **fields)
        self.desk.received(
            decision,
            Usage(requests=1),
            asked_us=self.us,
            ttl_ms=60_000,
            attempts=1,
            purpose=purpose or self.purpose,
        )
        return self.desk.grant(decision)

    async def open(self, *what):
        self.asked.append(what)

    def refused(self, *, ends_spending):
        """What must not be enough, by name."""
        used, other, early = (self.grant() for _ in range(3))
        open_it(used, "acme")
        other_provider = self.grant(provider_id="other")
        if ends_spending:
            open_it(other_provider, "other")
        early = self.grant(delay_us=1)
        wrong = {
            "nothing": None,
            "a refusal": denied(),
            "a decision": granted(),
            "a forged grant": object.__new__(Grant),
            "another provider's grant": other_provider,
            "a grant before its slot": early,
        }
        if ends_spending:
            return {**wrong, "a grant that began nothing": other}
        other_purpose = "live" if self.purpose == "reconciliation" else "reconciliation"
        return {
            **wrong,
            "a used grant": used,
            "a grant for something else": self.grant(purpose=other_purpose),
        }


def open_it(grant, provider_id):
    is_call = grant.terms.purpose != "reconciliation"
    grant.open(provider_id, purpose="call" if is_call else "reconciliation")


@pytest.fixture
async def listener():
    """Counts connections: not even an empty one may come."""
    seen = []

    async def on_connection(_reader, writer):
        seen.append(writer)
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}", seen
    server.close()


async def call(method, first):
    """Call with *first* as the grant and objects that allow nothing for the rest."""
    rest = list(inspect.signature(method).parameters)[1:]
    found = method(first, *(object() for _ in rest))
    if inspect.isasyncgen(found):
        await anext(found)
    else:
        await found


class TestEveryAdapter:
    def test_there_are_adapters_to_test(self):
        """An enumeration that finds nothing would pass everything."""
        assert "CountingAdapter" in {kind.__name__ for kind in adapters()}
        assert len(calling_methods()) >= 4

    @pytest.mark.parametrize(("kind", "name"), calling_methods())
    async def test_it_refuses_before_anything_is_sent(self, kind, name, listener):
        """Each way of calling a vendor, with each kind of grant that is none."""
        url, seen = listener
        reconciles = getattr(getattr(kind, name), RECONCILES, False)
        bench = Bench("reconciliation" if reconciles else "live")
        ends_spending = getattr(getattr(kind, name), ENDS_SPENDING, False)
        async with Outbound(url) as outbound:
            method = getattr(made(kind, outbound), name)
            for what, wrong in bench.refused(ends_spending=ends_spending).items():
                with pytest.raises((NoGrant, AttributeError)):
                    await call(method, wrong)
                    pytest.fail(f"{kind.__name__}.{name} accepted {what}")
            if not ends_spending:
                expired = bench.grant()
                bench.us += 60 * SECOND_US
                with pytest.raises(NoGrant, match=r"expired|has streams"):
                    await call(method, expired)

        assert (seen, bench.asked) == ([], [])

    @pytest.mark.parametrize(("kind", "name"), calling_methods())
    def test_it_takes_the_grant_first(self, kind, name):
        """So that a reader sees at once what a call needs."""
        parameters = list(inspect.signature(getattr(kind, name)).parameters.values())

        assert parameters[1].annotation in (Grant, "Grant")

    def test_only_ends_are_exempt_from_a_fresh_grant(self):
        """The mark lets a call be ended late; nothing else may carry it."""
        marked = {
            name
            for kind in (*adapters(), StreamAdapter)
            for name, method in inspect.getmembers(kind)
            if getattr(method, ENDS_SPENDING, False)
        }

        assert marked == {"end", "end_lost", "end_found", "remove_participant"}


class TestTheWayToAKey:
    async def test_a_grant_that_is_not_enough_for_a_call_is_not_enough_for_a_key(self):
        """Refused, unused, early, forged or expired: the gate is not even asked."""
        bench = Bench()
        grants = bench.refused(ends_spending=True)
        expired = bench.grant()
        expired.open("acme")
        bench.us += 60 * SECOND_US
        for what, grant in {**grants, "an expired one": expired}.items():
            if isinstance(grant, Grant):
                with pytest.raises(NoGrant):
                    await grant.secret("openai")
                    pytest.fail(f"{what} opened a secret")

        assert bench.asked == []

    def test_only_a_grant_asks_the_gate_to_open(self):
        """One place that spells the command, one that calls it: whoever holds a grant."""
        services = Path(vendors.__file__).parents[1]
        spelled, called = set(), set()
        for path in services.rglob("*.py"):
            text = path.read_text()
            if "OpenSecret(" in text:
                spelled.add(str(path.relative_to(services)))
            if "_open_secret" in text or "_opener" in text:
                called.add(str(path.relative_to(services)))

        assert spelled == {"client/gate_client.py"}
        assert called == {"client/gate_client.py", "client/grant.py"}

    @pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
    def test_an_adapter_asks_nothing_but_its_grant(self, path):
        """An adapter that keeps a client of its own could ask for more than its call is worth."""
        receivers = {
            ast.unparse(node.func.value)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "secret"
        }

        assert receivers <= {"grant"}


class TestTheWayOut:
    @pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
    def test_only_outbound_uses_the_network(self, path):
        """An adapter that opens its own connection would need no meter."""
        imported = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in _names(node)
        }

        assert not imported & NETWORK or path.name in MAY_USE_THE_NETWORK

    async def test_outbound_wants_a_meter(self, listener):
        """It is the last check, for an adapter that forgot its grant."""
        url, seen = listener
        async with Outbound(url) as outbound:
            for wrong in (None, object(), Bench().grant()):
                with pytest.raises(AssertionError):
                    await outbound.post(wrong, "/v1/calls", {})

        assert seen == []


def _names(node):
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        # `http.HTTPStatus` is a table of numbers.
        return [] if module == "http" else [module, module.partition(".")[0]]
    return [name for alias in node.names for name in (alias.name, alias.name.partition(".")[0])]
