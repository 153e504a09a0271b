"""People who curate what a twin knows: signed in, over HTTP and in the console."""

import time

from playwright.async_api import expect

from contracts.access import InviteMember
from services.client.sender import new_id
from services.embedded.polling import until
from services.http_door.session import COOKIE, csrf_token
from services.identity.random_secret import generate
from tests.knowledge.whole_stack import TENANT, WITHIN_S

PASSWORD = "correct horse battery"
HOUR_US = 3_600_000_000


class Staff:
    """A stack, and a session of somebody in each role of a twin."""

    def __init__(self, world, http):
        self.url, self.gate, self.http = world.api.url, world.gate, http
        self.source, self.secrets = world.source, {}

    async def join(self, role):
        """Come as people come: invited, with a password of one's own, signed in."""
        secret, secret_hash = generate()
        invitation = InviteMember(
            command_id=new_id(),
            invitation_id=new_id(),
            email=f"{role}@example.com",
            role=role,
            secret_hash=secret_hash,
            expires_at_us=time.time_ns() // 1_000 + HOUR_US,
        )
        assert (await self.gate.tell(invitation)).status == 200
        accepted = {"code": f"{invitation.invitation_id}.{secret}", "password": PASSWORD}
        await self._until_200("/v1/invitations/accept", accepted)
        told = {"email": invitation.email, "password": PASSWORD}
        answer = await self._until_200("/v1/sign-in", told)
        self.secrets[role] = answer.cookies[COOKIE].value

    async def _until_200(self, path, body):
        """Ask until the tables, which lag behind the gate, know of it."""
        found = []

        async def is_done():
            headers = {"Sec-Fetch-Site": "same-origin"}
            async with self.http.post(self.url + path, json=body, headers=headers) as answer:
                found[:] = [answer]
                return answer.status == 200

        await until(is_done, every_s=0.1, timeout_s=WITHIN_S)
        return found[0]

    async def post(self, role, path, **body):
        """The status and the answer to somebody's command, or to the file that they bring."""
        secret = self.secrets[role]
        headers = {
            "Cookie": f"{COOKIE}={secret}",
            "Vito-Csrf-Token": csrf_token(secret),
            "Sec-Fetch-Site": "same-origin",
            "Idempotency-Key": new_id(),
        }
        url = f"{self.url}/v1/tenants/{TENANT}/knowledge/{path}"
        async with self.http.post(url, headers=headers, **body) as answer:
            return answer.status, await answer.json()

    async def reviewed(self, name):
        """Wait until a source wants a review."""

        async def is_there():
            return (await self.source(name)).stage == "review"

        await until(is_there, every_s=0.05, timeout_s=WITHIN_S)
        return await self.source(name)


class Desk:
    """Somebody's tab on the pages about knowledge."""

    def __init__(self, staff, tab):
        self.page, self.tab = tab.page, tab
        self.url = f"{staff.url}/console/{TENANT}/knowledge"

    @classmethod
    async def of(cls, staff, role, open_tab, **options):
        """Open the pages as somebody; *options* are those of Playwright's `new_context`."""
        tab = await open_tab(viewport={"width": 1200, "height": 900}, locale="en-GB", **options)
        secure_url = staff.url.replace("http:", "https:")
        cookie = {"name": COOKIE, "value": staff.secrets[role], "url": secure_url}
        await tab.page.context.add_cookies([cookie])
        found = cls(staff, tab)
        await found.page.goto(found.url)
        return found

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    async def choose(self, label, name, data):
        file = {"name": name, "mimeType": "text/markdown", "buffer": data}
        await self.page.get_by_label(label, exact=True).set_input_files(file)

    async def bring(self, label, name, text):
        await self.choose(label, name, text.encode())
        await self.button("Bring it").click()

    async def says(self, text):
        await expect(self.page.locator("#said")).to_contain_text(text)

    async def ask(self, question, text, *, finds=True):
        """Ask until the index, which follows the log, answers with this text, or without."""

        async def is_found():
            await self.page.goto(f"{self.url}/ask?q={question}")
            found = await self.page.locator(".passages").all_inner_texts()
            return any(text in one for one in found) == finds

        await until(is_found, every_s=0.1, timeout_s=WITHIN_S)


async def progress(page):
    """Listen to how a form is sent; what was heard."""
    await page.evaluate(
        """() => {
          const send = XMLHttpRequest.prototype.send;
          XMLHttpRequest.prototype.send = function (body) {
            for (const kind of ["loadstart", "load"])
              this.upload.addEventListener(kind, () => {
                sessionStorage.heard = (sessionStorage.heard || "") + kind + " ";
              });
            send.call(this, body);
          };
        }"""
    )

    async def heard():
        return (await page.evaluate("sessionStorage.heard")).split()

    return heard
