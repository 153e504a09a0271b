"""Where a twin is shown."""

from contracts.deployment import (
    CreateDeployment,
    DeploymentTerms,
    Disclosure,
    EnableDeployment,
)


async def deployed(twin):
    """A place that has to say what one talks with."""
    for command in (
        CreateDeployment(
            command_id="create",
            deployment="web",
            terms=DeploymentTerms(
                surface="web_widget", origins=["https://tv.example"], ceiling="video"
            ),
            disclosure=Disclosure(language="es-AR", text="Hablas con una IA."),
        ),
        EnableDeployment(command_id="enable", deployment="web"),
    ):
        assert (await twin.gate.tell(command)).status == 200
