"""A whole stack as programs use it: what a twin knows is brought, approved and talked about."""

import json

import aiohttp

from contracts.knowledge import ApproveSource, RetireSource
from contracts.stream import BEARER, SUBPROTOCOL, TurnEnded, Welcome, read_gateway
from contracts.views import DeploymentView, KnowledgeView
from services.client.sender import new_id
from services.embedded.polling import until

TENANT = "cantor"
WITHIN_S = 60.0
QUESTION = "¿De qué color es el brazalete del capitán en la Copa Austral?"


class World:
    """A stack with its API, its gateway, and a client of one of its twins."""

    def __init__(self, target, gate):
        self.target, self.gate, self.api = target, gate, target.read_side

    async def upload(self, source, text, *, title="Copa Austral", name=None, **query):
        query |= {"name": name or f"{source}.md"} | ({"title": title} if title else {})
        data = text if isinstance(text, bytes) else text.encode()
        return await self.api.upload_knowledge(TENANT, source, query, data, command_id=new_id())

    async def source(self, source):
        shown = (await self.gate.show(KnowledgeView)).sources
        return next(one for one in shown if one.source == source)

    async def reaches(self, source, *stages):
        async def is_there():
            return (await self.source(source)).stage in stages

        await until(is_there, every_s=0.05, timeout_s=WITHIN_S)
        return await self.source(source)

    async def shown(self, source):
        """Wait for the tables, which lag behind the gate."""
        position = (await self.gate.show(KnowledgeView)).position
        return await self.api.knowledge_source(TENANT, source, position=position)

    async def review(self, source, query):
        position = (await self.gate.show(KnowledgeView)).position
        return await self.api.review_knowledge(TENANT, source, query, position=position)

    async def approve(self, source, **fields):
        found = await self.source(source)
        return await self.gate.tell(
            ApproveSource(
                command_id=new_id(), source=source, content_hash=found.draft_hash, **fields
            )
        )

    async def approved(self, source, text, **query):
        await self.upload(source, text, **query)
        await self.reaches(source, "review")
        assert (await self.approve(source)).code == "source_approved"
        await self.finds(QUESTION, source)

    async def found(self, question, tenant=TENANT):
        passages = (await self.api.search_knowledge(tenant, question, 16)).passages
        return {one.source: one for one in passages}

    async def finds(self, question, source, *, text=""):
        async def does():
            found = (await self.found(question)).get(source)
            return found is not None and text in found.text

        await until(does, every_s=0.05, timeout_s=WITHIN_S)

    async def retire(self, source):
        return await self.gate.tell(RetireSource(command_id=new_id(), source=source))

    async def visitor(self, http):
        """Let a visitor in; its token and origin."""
        shown = (await self.gate.show(DeploymentView)).deployments[0]
        headers = {"Origin": shown.terms.origins[0]}
        url = f"{self.target.gateway_url}/v1/twins/{TENANT}"
        where = f"{url}/deployments/{shown.deployment}/visitors"
        async with http.post(where, headers=headers) as answer:
            return (await answer.json())["token"], headers

    async def asks(self, question):
        """Have a conversation of one question; what was heard of the turn, and the session."""
        async with aiohttp.ClientSession() as http:
            token, headers = await self.visitor(http)
            async with http.ws_connect(
                f"{self.target.gateway_url}/v1/twins/{TENANT}/stream",
                protocols=[SUBPROTOCOL, BEARER + token],
                headers=headers,
            ) as socket:
                await socket.send_json({"type": "hello"})
                welcome, heard = await self.hears(socket), []
                assert isinstance(welcome, Welcome)
                if welcome.disclosure is not None:
                    version = welcome.disclosure.version
                    await socket.send_json({"type": "disclosed", "version": version})
                await socket.send_json({"type": "text", "id": "t-1", "text": question})
                while not (heard and isinstance(heard[-1], TurnEnded)):
                    heard.append(await self.hears(socket))
                await socket.send_json({"type": "bye"})
                return heard, welcome.session_id

    async def hears(self, socket):
        return read_gateway((await socket.receive(WITHIN_S)).data)

    async def ask(self, method, path, **arguments):
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self.api.url}{path}", **arguments) as answer,
        ):
            return answer.status, json.loads(await answer.read())
