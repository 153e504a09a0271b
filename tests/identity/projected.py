"""A directory over a real database, and logs of people that are projected into it."""

from __future__ import annotations

from contextlib import asynccontextmanager

from projections.projection import Commit
from services.identity.directory import Directory
from tests.domain.people import People
from tests.projector.read_side import as_role, connected, prepared, project


class Projected:
    """Projects what people did since it was asked last, one decision to a commit."""

    def __init__(self, connection, directory: Directory) -> None:
        self.directory = directory
        self._connection = connection
        self._seq = 0
        self._done: dict[str, int] = {}

    async def show(self, *logs: People) -> None:
        commits: list[Commit] = []
        for people in logs:
            name, done = people.state.name, self._done.get(people.state.name, 0)
            for number, event in enumerate(people.log[done:], done + 1):
                last = commits[-1].events if commits and commits[-1].tenant == name else []
                if last and getattr(event, "decision", 0) in (0, last[0].decision):
                    last.append(event)
                    continue
                self._seq += 1
                commits.append(Commit(0, self._seq, name, number, event.at_us, [event]))
            self._done[name] = len(people.log)
        if commits:
            await project(self._connection, [commits])

    async def rows(self, query: str) -> list[tuple]:
        return await (await self._connection.execute(query)).fetchall()


@asynccontextmanager
async def projected(database: str):
    async with (
        connected(await prepared(database)) as projector,
        Directory(as_role(database, "vito_api")) as directory,
    ):
        yield Projected(projector, directory)
