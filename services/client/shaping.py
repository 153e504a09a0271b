"""The commands that shape a twin: its DNA, its mirror test, its sign-off and its end."""

from __future__ import annotations

from contracts.replies import Receipt
from contracts.twin import (
    BeginCalibration,
    Identity,
    Purpose,
    RecordSample,
    Refinement,
    RefineTwin,
    RetireTwin,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
)
from services.client.sender import Sender, new_id


class Shaping(Sender):
    """Set identity and purpose, calibrate, refine, sign off, retire. See `contracts.twin`."""

    async def set_identity(
        self,
        identity: Identity,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Save a new version of the identity, as the draft; the receipt has its number."""
        return await self.tell(
            SetIdentity(
                command_id=command_id or new_id(),
                identity=identity,
                expected_version=expected_version,
                note=note,
            )
        )

    async def set_purpose(
        self,
        purpose: Purpose,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Put a new version of the purpose in force."""
        return await self.tell(
            SetPurpose(
                command_id=command_id or new_id(),
                purpose=purpose,
                expected_version=expected_version,
                note=note,
            )
        )

    async def refine(
        self,
        refinement: Refinement,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Adjust pitch and speed, as a new draft."""
        return await self.tell(
            RefineTwin(
                command_id=command_id or new_id(),
                refinement=refinement,
                expected_version=expected_version,
                note=note,
            )
        )

    async def begin_calibration(
        self, version: int, *, provider_id: str, sku: str, command_id: str | None = None
    ) -> Receipt:
        """Begin a round of samples of the draft; `facts` has its number and modality."""
        return await self.tell(
            BeginCalibration(
                command_id=command_id or new_id(),
                version=version,
                provider_id=provider_id,
                sku=sku,
            )
        )

    async def record_sample(
        self, reservation_id: str, *, reference: str = "", command_id: str | None = None
    ) -> Receipt:
        """Put a settled calibration call before the reviewer."""
        return await self.tell(
            RecordSample(
                command_id=command_id or new_id(),
                reservation_id=reservation_id,
                reference=reference,
            )
        )

    async def sign_off(
        self, version: int, *, note: str = "", command_id: str | None = None
    ) -> Receipt:
        """Make this version of the identity the live one."""
        return await self.tell(
            SignOffTwin(command_id=command_id or new_id(), version=version, note=note)
        )

    async def retire(self, *, reason: str = "", command_id: str | None = None) -> Receipt:
        """End the twin, for ever."""
        return await self.tell(RetireTwin(command_id=command_id or new_id(), reason=reason))
