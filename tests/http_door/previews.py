"""Previews of policies on the logs that a gate in memory has, made as `vito preview` makes them."""

from services.audit.preview import Trial


def trying(world):
    """What a server is given to make previews with."""

    async def run(tenant, wanted):
        trial = Trial(tenant, wanted, world.clock())
        for commit in world.gate.commits:
            if commit.tenant == tenant:
                trial.state.position = commit.position
                for event in commit.events:
                    trial.feed(event)
        return trial.outcome(world.clock(), is_whole=True)

    return run
