"""Logs of children: bounded, and still written to after they were cut."""

from services.supervisor.logs import bound


def test_a_short_log_is_left_alone(directory):
    """What happened before a restart is what one wants to read."""
    log = directory / "a.log"
    log.write_text("line\n")

    assert not bound(log, bytes_max=100, kept=10)
    assert not bound(directory / "none.log", bytes_max=100, kept=10)
    assert log.read_text() == "line\n"


def test_a_long_log_keeps_its_end(directory):
    """A chatty child must not fill the disk that the log of the twins is on."""
    log = directory / "a.log"
    with log.open("ab", buffering=0) as child:
        child.write(b"x" * 95 + b"0123456789")
        assert bound(log, bytes_max=100, kept=10)
        child.write(b"after\n")

    assert log.read_text() == "after\n"
    assert (directory / "a.log.1").read_text() == "0123456789"


def test_there_is_one_older_file(directory):
    """Bounded means the whole of it."""
    log = directory / "a.log"
    for _ in range(3):
        log.write_text("x" * 200)
        bound(log, bytes_max=100, kept=10)

    assert sorted(path.name for path in directory.iterdir()) == ["a.log", "a.log.1"]
