"""A token of the deployment's issuer at the HTTP door: it names a person and gives no right."""

import msgspec
import pytest

from services.identity.oidc import LIFE_MAX_S
from services.identity.tokens import Claims
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.issued import issued_site
from tests.http_door.people import bearer
from tests.http_door.test_commands import told
from tests.identity.issuer import ED_KEY, NOW_S, OTHER_ED_KEY
from tests.identity.test_oidc import by_hand


@pytest.fixture
async def place(two_twins):
    async with issued_site(two_twins) as found:
        yield found


def invite(site, **roles):
    """Let Ana, whom the issuer knows, have an account here."""
    directory = site.world.directory
    directory.add_person("ana", roles)
    directory.accounts["ana"] = msgspec.structs.replace(
        directory.accounts["ana"], email="ana@example.org"
    )
    site.world.gate.admit(OWN, members=roles and {"ana": roles[OWN]})


async def test_a_person_of_the_issuer_has_the_roles_that_the_log_says(place):
    """And no more: what else the token claims is not read. It ends when the token does."""
    site, issuer = place
    invite(site, **{OWN: "editor"})
    shown = bearer(issuer.token(roles=["owner"], tenant=OTHER, is_admin=True))
    me = await site.get("/v1/me", shown)

    assert me.json["principal"] == "person_ana"
    assert (me.json["roles"], me.json["is_admin"]) == ({OWN: "editor"}, False)
    assert me.json["csrf_token"] is None
    assert me.json["expires_at"] == "2027-01-15T08:05:00Z"
    assert (await site.get(f"/v1/tenants/{OWN}", shown)).status == 200
    told(await site.get(f"/v1/tenants/{OTHER}", shown), 403, "caller_unknown")
    # No browser adds it by itself, so no page has to prove anything.
    note = {"source": "rules", "kind": "web", "title": "x", "location": "https://example.org"}
    saved = await site.post(f"/v1/tenants/{OWN}/knowledge/add", shown, note)
    assert saved.json["code"] != "caller_not_allowed", saved.body
    told(
        await site.post(f"/v1/tenants/{OWN}/budget/top-up", shown, {"amount_nanos": 1}),
        403,
        "caller_not_allowed",
    )


@pytest.mark.parametrize("who", ["nobody", "locked", "unprintable"])
async def test_whoever_was_never_invited_is_nobody(place, who):
    """The issuer's word makes no account, whatever it vouches for."""
    site, issuer = place
    if who == "locked":
        invite(site)
        site.world.directory.accounts["ana"] = msgspec.structs.replace(
            site.world.directory.accounts["ana"], locked=True
        )
    email = "a\x00na@example.org" if who == "unprintable" else "ana@example.org"
    answer = await site.get("/v1/me", bearer(issuer.token(email=email)))

    assert "account here" in told(answer, 401, "key_refused").detail
    if who == "unprintable":
        # The tables cannot even be asked for it.
        assert site.world.directory.asked == []


async def test_an_account_without_a_twin_sees_no_twin(place):
    """Membership is each twin's own word."""
    site, issuer = place
    invite(site)
    shown = bearer(issuer.token())

    assert (await site.get("/v1/tenants", shown)).json["items"] == []
    told(await site.get(f"/v1/tenants/{OWN}", shown), 403, "caller_unknown")


CLAIMS = {"iss": "", "aud": "vito", "sub": "1", "email": "ana@example.org", "email_verified": True}


@pytest.mark.parametrize(
    "kind",
    [
        "alg none",
        "HS256 with the public key",
        "unknown kid",
        "signed by somebody else",
        "wrong audience",
        "wrong issuer",
        "expired",
        "of the future",
        "older than a day",
        "unverified e-mail",
        "of our type, signed by the issuer",
    ],
)
async def test_forgeries_are_refused_in_words_that_hold_nothing_of_them(place, kind):
    """401 each time, and an account that is really there is not let in."""
    site, issuer = place
    invite(site, **{OWN: "owner"})
    claims = CLAIMS | {"iss": issuer.url, "iat": NOW_S, "exp": NOW_S + 300}
    public = ED_KEY.public_key().public_bytes_raw()
    forged = {
        "alg none": lambda: by_hand({"alg": "none", "kid": "ed"}, claims, b""),
        "HS256 with the public key": lambda: by_hand({"alg": "HS256", "kid": "ed"}, claims, public),
        "unknown kid": lambda: issuer.token(kid="new"),
        "signed by somebody else": lambda: issuer.token(OTHER_ED_KEY),
        "wrong audience": lambda: issuer.token(aud="somebody-else"),
        "wrong issuer": lambda: issuer.token(iss="https://evil.example"),
        "expired": lambda: issuer.token(exp=NOW_S - 31),
        "of the future": lambda: issuer.token(iat=NOW_S + 60),
        "older than a day": lambda: issuer.token(iat=NOW_S - LIFE_MAX_S, exp=NOW_S + LIFE_MAX_S),
        "unverified e-mail": lambda: issuer.token(email_verified=False),
        "of our type, signed by the issuer": lambda: by_hand(
            {"alg": "EdDSA", "kid": "ed", "typ": "vito+jwt"}, claims, b"x"
        ),
    }
    text = forged[kind]()
    answer = await site.get("/v1/me", bearer(text))
    told(answer, 401, "key_refused")

    assert text.split(".")[1] not in answer.body.decode()
    assert "ana" not in answer.body.decode()


async def test_an_issuer_that_is_away_makes_nobody_a_liar(place):
    """503: whoever has a key of ours is not concerned."""
    site, issuer = place
    invite(site, **{OWN: "viewer"})
    issuer.status = 500
    told(await site.get("/v1/me", bearer(issuer.token())), 503, "identity_unavailable")
    key = site.world.directory.add_key(OWN, "read")

    assert (await site.get("/v1/me", bearer(key))).status == 200


async def test_our_own_tokens_are_ours_to_check_with_an_issuer_or_without(place, site):
    """And without an issuer its tokens are none of ours."""
    issued, issuer = place
    invite(issued, **{OWN: "viewer"})
    claims = Claims(principal="person_ana", tenant=OWN)

    assert (await issued.get("/v1/me", bearer(issued.world.signer.issue(claims, "api")))).json[
        "roles"
    ] == {OWN: "viewer"}
    told(
        await issued.get("/v1/me", bearer(issued.world.signer.issue(claims, "bus"))),
        401,
        "key_refused",
    )
    told(await site.get("/v1/me", bearer(issuer.token())), 401, "key_refused")
