"""
The commands about a twin's secrets and keys.

Values are handed over as `Secret`, so that nothing that prints an argument shows one. To open a
secret takes a grant: `await grant.secret("openai")`, see `services.client.grant`.
"""

from __future__ import annotations

from contracts.data_key import RewrapDataKey, RotateDataKey
from contracts.replies import Receipt
from contracts.secret import PutSecret, RevokeSecret, RotateSecret
from contracts.tenant import EraseTenant
from services.client.sender import Sender, new_id
from services.secret import Secret

OVERLAP_MS = 3_600_000


class Vault(Sender):
    """Put, rotate and revoke secrets; rotate, wrap again and destroy the key that seals them."""

    async def put_secret(
        self, name: str, value: Secret, *, command_id: str | None = None
    ) -> Receipt:
        """
        Keep a value under a name; earlier versions can be opened no more.

        Raises ValueError for a name or a value that the contract does not allow.
        """
        return await self.tell(
            PutSecret(command_id=command_id or new_id(), name=name, value=value.reveal())
        )

    async def rotate_secret(
        self,
        name: str,
        value: Secret,
        *,
        overlap_ms: int = OVERLAP_MS,
        command_id: str | None = None,
    ) -> Receipt:
        """Replace a value; the one before it can be opened for *overlap_ms* more."""
        return await self.tell(
            RotateSecret(
                command_id=command_id or new_id(),
                name=name,
                value=value.reveal(),
                overlap_ms=overlap_ms,
            )
        )

    async def revoke_secret(
        self,
        name: str,
        *,
        version: int | None = None,
        reason: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """End a version, or all of them, for ever."""
        return await self.tell(
            RevokeSecret(
                command_id=command_id or new_id(), name=name, version=version, reason=reason
            )
        )

    async def rotate_key(self, *, command_id: str | None = None) -> Receipt:
        """Seal everything new with a new version of the twin's data key."""
        return await self.tell(RotateDataKey(command_id=command_id or new_id()))

    async def rewrap_key(self, *, command_id: str | None = None) -> Receipt:
        """Wrap the twin's data key with the deployment's current key."""
        return await self.tell(RewrapDataKey(command_id=command_id or new_id()))

    async def erase(self, *, reason: str = "", command_id: str | None = None) -> Receipt:
        """Destroy the twin's data key, for ever. `twin_erased` says that it was done before."""
        return await self.tell(
            EraseTenant(command_id=command_id or new_id(), confirm=self.tenant, reason=reason)
        )
