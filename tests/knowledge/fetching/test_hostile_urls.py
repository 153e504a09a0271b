"""
Two hundred ways to make us connect to ourselves, typed and as redirects: no connection.

Everything inside is played by listeners on the loopback addresses, which count. The port that they
listen on is allowed here, so that only the address can be what saves us.
"""

import asyncio
import contextlib
import ipaddress

import pytest

from services.knowledge.fetching.safe_http import SafeHttp
from services.knowledge.fetching.target import Target
from services.knowledge.fetching.web import WebFetcher
from services.knowledge.problem import IngestionProblem
from services.sandbox.faults import Fault
from tests.knowledge.fetching.names import notations
from tests.knowledge.fetching.test_public_address import INTERNAL

# Not https, or leading to http would be refused whatever the address is.
PAGE = "http://heraldo.example/union-pampa-empata"
# Full-width digits and letters, which names are mapped from.
WIDE = {code: code + 0xFEE0 for code in range(ord("0"), ord("z") + 1) if chr(code).isalnum()}


class Inside:
    """What listens inside; *connections* is how often somebody came."""

    def __init__(self):
        self.connections = 0

    async def came(self, reader, writer):
        self.connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsecret")
        writer.close()


@pytest.fixture
async def inside():
    made = Inside()
    async with contextlib.AsyncExitStack() as stack:
        server = await asyncio.start_server(made.came, "127.0.0.1", 0)
        await stack.enter_async_context(server)
        made.port = server.sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):  # a machine without IPv6
            second = await asyncio.start_server(made.came, "::1", made.port)
            await stack.enter_async_context(second)
        yield made


def literal(port):
    """Addresses inside, in every notation."""
    hosts = [f"[{one}]" if ":" in one else one for one in INTERNAL]
    for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "0.0.0.0", "192.168.0.1"):
        hosts += notations(address)
        hosts += [address.translate(WIDE), address.replace(".", "。"), f"{address}."]
        hosts += [address.replace(".", "%2e"), f"{address}..", f"[::{address}]"]
        hosts += [f"[::ffff:{address}]", f"[64:ff9b::{address}]", f"[::ffff:0:{address}]"]
        hosts += [f"[0:0:0:0:0:ffff:{address}]", f"[2002:{address}::]"]
    hosts += ["127.1", "127.0.1", "0", "①②⑦.⓪.⓪.①", "[::1%25lo]", "[::1%lo]", "[0:0::0:1]"]
    hosts += ["[fe80::1%25eth0]", "[v1.fe80::1]", "[::1", "::1", "[127.0.0.1]", "127.0.0.1%00"]
    return [f"http://{host}:{port}/" for host in hosts]


def named(port):
    """Names that lead inside, whatever a name server says."""
    hosts = ["localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain"]
    hosts += ["ip6-localhost", "metadata", "metadata.google.internal", "kubernetes.default.svc"]
    hosts += [
        "router.local",
        "nas.home.arpa",
        "1.0.0.127.in-addr.arpa",
        "localhost".translate(WIDE),
        "db.internal",
    ]
    return [f"http://{host}:{port}/" for host in hosts]


def tricks(port):
    """What one program reads as one host and another as another."""
    inner, outer = f"127.0.0.1:{port}", "heraldo.com"
    return [
        f"http://{outer}@{inner}/",
        f"http://{outer}:80@{inner}/",
        f"http://{inner}@{outer}@{inner}/",
        f"http://{inner}\\@{outer}/",
        f"http://{outer}\\@{inner}/",
        f"http://{inner}#@{outer}/",
        f"http://{inner}?@{outer}/",
        f"http://{inner};{outer}/",
        f"http://{outer} @{inner}/",
        f"http://{outer}%00@{inner}/",
        f"http://{outer}%2f@{inner}/",
        f"http:\\\\{inner}\\",
        f"http:/{inner}/",
        f"http:{inner}/",
        f"http:///{inner}/",
        f"//{inner}/",
        f"{inner}/",
        f"ht\ntp://{inner}/",
        f"http://127.0\t.0.1:{port}/",
        f"http://{inner}\r\nHost: {outer}/",
        f"http://{inner} HTTP/1.1\r\n\r\n/",
        *(f"{scheme}://{inner}/" for scheme in ("file", "ftp", "gopher", "dict", "ws", "unix")),
        *(f"{scheme}://{inner}/" for scheme in ("jar:http", "data", "ldap", "view-source:http")),
        "file:///etc/passwd",
        "javascript:fetch('/')",
        f"http://127.0.0.1:{port}@/",
        f"http://[::]:{port}/",
        f"http://{'0x7f.1'.translate(WIDE)}:{port}/",
    ]


def resolved(port, names):
    """Names of the Internet whose addresses are inside, or some of them, or from time to time."""
    for number, address in enumerate(INTERNAL):
        names.set(f"in-{number}.attacker.com", [address])
        names.set(f"mixed-{number}.attacker.com", ["93.184.216.34", address])
        yield f"http://in-{number}.attacker.com:{port}/"
        yield f"http://mixed-{number}.attacker.com:{port}/"


@pytest.fixture
def hostile(inside, names):
    found = literal(inside.port) + named(inside.port) + tricks(inside.port)
    return found + list(resolved(inside.port, names))


@pytest.fixture
def fetch(http, inside):
    allowed = frozenset({80, 443, inside.port})
    return WebFetcher(http, ports={"http": allowed, "https": allowed}).fetch


async def refused(fetch, url):
    try:
        got = await fetch(url)
    except IngestionProblem as problem:
        return problem.code
    return got


async def test_none_of_them_reaches_us_when_it_is_typed(fetch, hostile, inside):
    """Each is refused as an address, and nobody came."""
    assert len(set(hostile)) >= 200

    codes = {url: await refused(fetch, url) for url in hostile}

    assert inside.connections == 0
    assert {url for url, code in codes.items() if code != "address_refused"} <= {
        # No name server knows these, so there is nothing to refuse.
        f"http://localhost.localdomain:{inside.port}/",
        f"http://kubernetes.default.svc:{inside.port}/",
    }


async def test_nor_when_a_page_redirects_to_it(fetch, hostile, inside, sandbox, names):
    """A page that we may read leads to each of them."""
    came = sandbox.ledger.count("site")
    for url in hostile:
        if "\r" in url or "\n" in url:
            continue  # No server can say these in a header.
        sandbox.faults.clear()
        sandbox.faults.add(Fault(vendor="site", kind="redirect", detail=url[:256], times=1))
        code = await refused(fetch, PAGE)
        assert isinstance(code, str), url
        assert code in ("address_refused", "not_found", "unreachable"), url

    assert inside.connections == 0
    assert sandbox.ledger.count("site") - came >= 190
    # They were followed as far as their names.
    assert {f"in-{number}.attacker.com" for number in range(len(INTERNAL))} <= set(names.asked)


async def test_the_listener_would_have_noticed(inside):
    """Or the zero above means nothing."""
    reader, _ = await asyncio.open_connection("127.0.0.1", inside.port)
    await reader.read()

    assert inside.connections == 1


async def test_a_socket_is_looked_at_whatever_was_looked_at_before(http, inside):
    """Somebody who forgets to read an address as a target gets no further."""
    for host in ("127.0.0.1", "::1", "0.0.0.0"):
        with pytest.raises(IngestionProblem) as caught:
            await http.exchange(Target("http", host, inside.port, "/"))
        assert caught.value.code == "address_refused"

    assert inside.connections == 0


class Dialling(SafeHttp):
    """Writes down where it would connect to, and does not."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dialled = []

    def _socket(self, info):
        super()._socket(info).close()
        self.dialled.append(info[4][0])
        raise OSError("this is a test")


async def test_a_name_is_asked_for_once_and_dialled_as_it_was_looked_at(names, inside):
    """A name server that answers otherwise the second time is not asked a second time."""
    names.set("rebind.attacker.com", ["93.184.216.34"], ["127.0.0.1"])
    async with Dialling(resolver=names) as http:
        code = await refused(WebFetcher(http).fetch, "http://rebind.attacker.com/")

        assert (code, names.asked) == ("unreachable", ["rebind.attacker.com"])
        assert http.dialled == ["93.184.216.34"]
        # Asked again for the next fetch, and looked at again.
        code = await refused(WebFetcher(http).fetch, "http://rebind.attacker.com/")
        assert (code, http.dialled) == ("address_refused", ["93.184.216.34"])
    assert inside.connections == 0


async def test_a_public_address_of_this_machine_is_inside(names):
    """What listens on every interface would answer there."""
    names.set("twins.example.com", ["93.184.216.34"])
    ours = frozenset({ipaddress.ip_address("93.184.216.34")})
    async with Dialling(resolver=names, own=lambda: ours) as http:
        assert await refused(WebFetcher(http).fetch, "http://twins.example.com/") == (
            "address_refused"
        )
        assert http.dialled == []


async def test_proxies_and_logins_of_the_environment_are_not_used(
    names, inside, monkeypatch, tmp_path
):
    """A proxy would connect for us, to whatever it likes."""
    login = tmp_path / "netrc"
    login.write_text("machine attacker.com login ana password clave")
    monkeypatch.setenv("NETRC", str(login))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{inside.port}")
    names.set("attacker.com", ["93.184.216.34"])
    async with Dialling(resolver=names) as http:
        await refused(WebFetcher(http).fetch, "http://attacker.com/")

        assert http.dialled == ["93.184.216.34"]
    assert inside.connections == 0
