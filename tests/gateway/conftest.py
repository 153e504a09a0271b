"""A gateway on a real socket, whose engine, directory, gate and clocks a test holds in its hand."""

from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from contracts.access import OPERATOR
from contracts.deployment import CreateDeployment, DeploymentTerms, Disclosure, EnableDeployment
from services.gateway import server
from services.gateway.limits import Limits
from services.http_door.authentication import Authentication, Identity
from services.http_door.oidc_sign_in import CALLBACK_PATH
from services.http_door.wiring import ExternalTokens
from services.identity.oidc_code import open_oidc
from services.query_api.keys import BearerKey
from services.settings import Settings
from tests.gateway.talker import Talker
from tests.http_door.doors import World as Doors
from tests.identity.issuer import AUDIENCE, NOW_S
from tests.query_api.conftest import KEY
from tests.rig.conversation import ScriptedConversations

OWN, OTHER, NOBODY = "cantor", "fernandez", "nobody"
PAGE = "https://tvazteca.example"
DISCLOSURE = Disclosure(text="Hablas con una IA.\n¿Vale?", language="es-MX")


class World:
    """One gateway and everybody around it."""

    def __init__(self, session, limits):
        self.session = session
        doors = Doors()
        self.clock, self.directory = doors.clock, doors.directory
        self.tokens, self.gate = doors.tokens, doors.gate
        self.conversations = ScriptedConversations()
        self.limits = limits
        self.external = self.watcher = None
        self.used = []
        self.running = None
        self.talkers = []
        for tenant in (OWN, OTHER):
            self.gate.provision(tenant)

    def parts(self):
        identity = Identity(
            self.directory,
            self.tokens,
            self.clock,
            lambda *key: self.used.append(key),
            "test",
            self.external,
        )
        return server.Parts(
            host="127.0.0.1",
            port=0,
            authentication=Authentication(BearerKey(KEY), identity),
            directory=self.directory,
            gate=self.gate,
            tokens=self.tokens,
            conversations=self.conversations,
            limits=self.limits,
            clock_s=lambda: self.clock.now_s,
            clock_us=self.clock,
            watcher=self.watcher,
        )

    @property
    def gateway(self):
        return self.running.gateway

    @property
    def conversation(self):
        """The newest."""
        return self.conversations.opened[-1]

    # -- who may come --------------------------------------------------------------

    async def deploy(self, tenant=OWN, deployment="web", *, origins=(PAGE,), **terms):
        """Open a deployment to these pages."""
        surface = "web_widget" if origins else "app"
        about = DeploymentTerms(
            **({"surface": surface, "ceiling": "voice", "origins": list(origins)} | terms)
        )
        for command in (
            CreateDeployment(
                command_id=f"c-{deployment}",
                deployment=deployment,
                terms=about,
                disclosure=DISCLOSURE,
            ),
            EnableDeployment(command_id=f"e-{deployment}", deployment=deployment),
        ):
            assert (await self.gate.command(tenant, command, OPERATOR))["status"] == 200

    def visitor(self, number=1, *, tenant=OWN, origin=PAGE, **claims):
        """The token of a visitor who was admitted."""
        name = f"visitor_{number:016d}"
        about = {"deployment": "web", "origin": origin, "ceiling": "voice"}
        return self.tokens.issue(principal=name, tenant=tenant, **(about | claims))

    def key(self, *scopes, tenant=OWN):
        """An API key."""
        return self.directory.add_key(tenant, *(scopes or ("calls",)))

    # -- how they come -------------------------------------------------------------

    def url(self, tenant=OWN):
        return f"{self.running.url}/v1/twins/{tenant}/stream"

    async def connect(self, credential, *, tenant=OWN, origin=None, in_header=False, **more):
        """Open a WebSocket; raises aiohttp.WSServerHandshakeError for an answer of HTTP."""
        headers = {"Origin": origin} if origin else {}
        protocols = ["vito.v1"]
        if in_header:
            headers["Authorization"] = f"Bearer {credential}"
        else:
            protocols.append(f"bearer.{credential}")
        socket = await self.session.ws_connect(
            self.url(tenant), headers=headers, protocols=protocols, autoping=False, **more
        )
        self.talkers.append(Talker(socket, self))
        return self.talkers[-1]

    async def service(self, credential=None, **hello):
        """A service that is in a conversation."""
        talker = await self.connect(credential or self.key())
        await talker.hello(**hello)
        return talker

    async def page(self, credential=None, **hello):
        """A visitor's page that is in a conversation, and has shown the disclosure."""
        talker = await self.connect(credential or self.visitor(), origin=PAGE)
        welcome = await talker.hello(**hello)
        if welcome.disclosure is not None:
            await talker.say("disclosed", version=welcome.disclosure.version)
        return talker

    async def pass_s(self, seconds):
        """Let time go by, and have the gateway look at its clock."""
        self.clock.pass_s(seconds)
        self.gateway.check()

    async def ask(self, method, path, **more):
        """Ask over HTTP."""
        async with self.session.request(method, self.running.url + path, **more) as response:
            return response.status, response.headers, await response.read()


def tokens_of(issuer, session, clock):
    """What reads the issuer's tokens, as a gateway that was told of it makes it."""
    told = {"VITO_OIDC_ISSUER": issuer.url, "VITO_OIDC_AUDIENCE": AUDIENCE}
    made = open_oidc(
        Settings.from_env(told),
        session,
        redirect_path=CALLBACK_PATH,
        clock=clock,
        monotonic=lambda: clock.now_s,
    )
    return ExternalTokens(made.verifier)


@asynccontextmanager
async def standing(*, issuer=None, watcher=None, **limits):
    """
    A gateway with these limits.

    *issuer*: whose tokens are taken besides our own. *watcher*: the key of its figures.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        known = {"close_s": 5.0, "drain_s": 0.05}
        world = World(session, Limits(**(known | limits)))
        if watcher is not None:
            world.watcher = BearerKey(watcher)
        if issuer is not None:
            world.clock.now_us = NOW_S * 1_000_000
            world.external = tokens_of(issuer, session, world.clock)
        world.running = await server.start(world.parts(), stack)
        yield world
        # Nobody reads any more, and a polite end would wait for them.
        for talker in world.talkers:
            talker.drop()


@pytest.fixture
async def world():
    """A gateway with one deployment, `web`, that is open to one page."""
    async with standing() as made:
        await made.deploy()
        yield made
