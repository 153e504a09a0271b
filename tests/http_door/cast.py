"""Everybody who may come to the door of one twin: what they show, and what they are."""

from contracts.access import ROLES
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.people import HOUR_US, NOW_US, SCOPES, bearer, cookie, forged
from tests.query_api.conftest import KEY

# Whoever shows one of these is nobody.
UNKNOWN = (
    "nothing",
    "no credential",
    "half a key",
    "forged key",
    "key of nobody",
    "expired key",
    "revoked key",
    "forged token",
    "token of a revoked key",
    "token of the operator",
    "closed session",
    "expired session",
    "session of nobody",
    "session of somebody locked",
)
# Known, but no business of this twin.
STRANGERS = (
    "other twin's key",
    "other twin's owner",
    "person without twins",
    "token of the other twin's key",
    "token of a member for the other twin",
)
MEMBERS = (*(f"key {scope}" for scope in SCOPES), *ROLES, "key without scopes", "token of an owner")


def cast(world):
    """Let everybody exist; return what each shows, by who they are."""
    directory = world.directory
    keys = {scope: directory.add_key(OWN, scope) for scope in SCOPES}
    bare = directory.add_key(OWN)
    others = directory.add_key(OTHER, *SCOPES)
    revoked = directory.add_key(OWN, *SCOPES, revoked_at_us=NOW_US - 1)
    for role in ROLES:
        directory.add_person(role, {OWN: role})
    directory.add_person("neighbour", {OTHER: "owner"})
    directory.add_person("nobodys")
    directory.add_person("root", is_admin=True)
    directory.add_person("locked", {OWN: "owner"}, locked=True)
    world.gate.admit(
        OWN,
        members={role: role for role in ROLES},
        keys={**{_id(text): [scope] for scope, text in keys.items()}, _id(bare): []},
    )
    return {
        **_unknown(world, keys["calls"], revoked),
        "other twin's key": bearer(others),
        "other twin's owner": cookie(directory.add_session("neighbour")),
        "person without twins": cookie(directory.add_session("nobodys")),
        "token of the other twin's key": _token(world, f"key_{_id(others)}", OTHER),
        "token of a member for the other twin": _token(world, "person_owner", OTHER),
        **{f"key {scope}": bearer(text) for scope, text in keys.items()},
        "key without scopes": bearer(bare),
        **{role: cookie(directory.add_session(role)) for role in ROLES},
        "token of an owner": _token(world, "person_owner", OWN),
        "admin": cookie(directory.add_session("root")),
        "operator": bearer(KEY),
    }


def _unknown(world, key, revoked):
    directory = world.directory
    expired = directory.add_key(OWN, *SCOPES, expires_at_us=NOW_US)
    return {
        "nothing": {},
        "no credential": {"Authorization": "Basic dml0bzp2aXRv"},
        "half a key": bearer(key[:-8]),
        "forged key": bearer(forged(key)),
        "key of nobody": bearer(forged(key).replace(_id(key), "a" * 16)),
        "expired key": bearer(expired),
        "revoked key": bearer(revoked),
        "forged token": bearer("eyJhbGciOiJub25lIn0.e30.AAAA"),
        "token of a revoked key": _token(world, f"key_{_id(revoked)}", OWN),
        "token of the operator": _token(world, "operator", OWN),
        "closed session": cookie(directory.add_session("owner", closed=True)),
        "expired session": cookie(directory.add_session("owner", expires_at_us=NOW_US)),
        "session of nobody": cookie("0" * 43),
        "session of somebody locked": cookie(
            directory.add_session("locked", expires_at_us=NOW_US + HOUR_US)
        ),
    }


def _id(key):
    return key.split("_")[2]


def _token(world, principal, tenant):
    return bearer(world.tokens.issue(principal=principal, tenant=tenant))
