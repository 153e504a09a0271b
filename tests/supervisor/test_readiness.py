"""The one line a service says when it is ready."""

import os

from services.supervisor.readiness import ReadyPipe, announce


async def test_the_supervisor_hears_it():
    """Services call `announce()` and know nothing of pipes."""
    with ReadyPipe() as pipe:
        announce({"VITO_READY_FD": str(os.dup(pipe.child_end))})
        pipe.release_child_end()

        assert await pipe.wait()


async def test_a_closed_pipe_is_not_ready():
    """That is how a child that died looks."""
    with ReadyPipe() as pipe:
        pipe.release_child_end()

        assert not await pipe.wait()


async def test_other_words_are_not_ready():
    """A descriptor that something else writes to must not pass for readiness."""
    with ReadyPipe() as pipe:
        os.write(pipe.child_end, b"error: no bus")
        pipe.release_child_end()

        assert not await pipe.wait()


def test_without_a_supervisor_it_is_a_no_op():
    """In a container, or by hand, nobody asked."""
    announce({})
