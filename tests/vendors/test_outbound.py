"""The way out: nothing is sent twice, nothing too large comes in, and secrets stay in headers."""

import asyncio

import pytest

from contracts.usage import Usage
from services.client.meter import Meter
from services.secret import Secret
from services.vendors.adapter import VendorCutOff, VendorUnreachable
from services.vendors.outbound import Outbound, bearer

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Left: 7\r\nSet-Cookie: who=cantor\r\n\r\n{}"


class Server:
    """Answers requests with what the test says, in order; None cuts the connection."""

    def __init__(self):
        self.answers = []
        self.asked = []

    async def serve(self, reader, writer):
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            self.asked.append(head.decode())
            answer = self.answers.pop(0) if self.answers else FINE
            if answer is None:
                break
            writer.write(answer)
        writer.close()


@pytest.fixture
async def server():
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with Outbound(f"http://127.0.0.1:{port}", answer_bytes_max=1_000) as outbound:
        server.outbound = outbound
        yield server
    listening.close()


@pytest.fixture
def meter():
    return Meter(Usage(requests=1))


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
async def test_a_request_on_a_connection_that_dies_is_not_sent_again(server, meter, method):
    """The library repeats what is idempotent in HTTP; a vendor bills it twice all the same."""
    await server.outbound.request(meter, "GET", "/first")
    server.answers = [None]
    with pytest.raises(VendorCutOff):
        await server.outbound.request(meter, method, "/billed")

    assert [head.split()[1] for head in server.asked] == ["/first", "/billed"]


async def test_what_never_left_is_unreachable_and_what_may_have_is_cut_off(meter):
    """The difference is whether anything can be billed."""
    async with Outbound("http://127.0.0.1:1") as outbound:
        with pytest.raises(VendorUnreachable):
            await outbound.request(meter, "GET", "/")
    assert not meter.reached


async def test_an_answer_is_bounded(server, meter):
    """A vendor, or what stands before it, could send without an end."""
    server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2_000]
    with pytest.raises(VendorCutOff, match="more than 1000 bytes"):
        await server.outbound.request(meter, "GET", "/")


async def test_headers_go_both_ways_and_cookies_do_not(server, meter):
    """A cookie would tie the twins that share a connection to each other."""
    key = {"x-api-key": Secret("k-1"), "Authorization": bearer(Secret("b-1"))}
    reply = await server.outbound.request(
        meter, "GET", "/a%3Ab", headers=key, query={"q": "á b", "n": 2}
    )
    await server.outbound.request(meter, "GET", "/again")

    assert (reply.status, reply.headers["x-left"], reply.json()) == (200, "7", {})
    assert "x-api-key: k-1" in server.asked[0]
    assert "Authorization: Bearer b-1" in server.asked[0]
    assert server.asked[0].startswith("GET /a%3Ab?q=%C3%A1+b&n=2 ")
    assert "cookie" not in server.asked[1].lower()


async def test_a_secret_that_would_break_a_header_is_not_sent_nor_shown(server, meter):
    """Somebody pasted a key with its line end."""
    with pytest.raises(VendorUnreachable) as said:
        await server.outbound.request(meter, "GET", "/", headers={"x-api-key": Secret("k\r\nX: y")})

    assert "k\r\n" not in str(said.value)
    assert (server.asked, meter.reached) == ([], False)


async def test_a_redirect_is_an_answer_and_is_not_followed(server, meter):
    """It would carry the key to wherever the answer says."""
    server.answers = [b"HTTP/1.1 307 X\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"]
    assert (await server.outbound.request(meter, "GET", "/")).status == 307
    assert len(server.asked) == 1
