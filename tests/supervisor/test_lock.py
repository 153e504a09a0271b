"""The lock: one supervisor per data directory, and nothing to clean up after a crash."""

import os

import pytest

from services.supervisor.lock import AlreadyRunning, DataDirLock


def test_the_second_is_refused_by_name(directory):
    """Two supervisors would run two servers on one store."""
    with (
        DataDirLock(directory),
        pytest.raises(AlreadyRunning) as caught,
        DataDirLock(directory),
    ):
        pass

    assert f"process {os.getpid()}" in caught.value.message
    assert str(directory) in caught.value.message
    assert "VITO_DATA_DIR" in caught.value.remedy


def test_it_is_free_again_afterwards(directory):
    """A lock file that stays must not be mistaken for a lock that is held."""
    for _ in range(2):
        with DataDirLock(directory):
            assert (directory / "lock").exists()
    assert (directory / "lock").exists()


def test_directories_do_not_block_each_other(directory):
    """Tests and demos run beside a developer's own stack."""
    with DataDirLock(directory / "a"), DataDirLock(directory / "b"):
        pass


def test_a_new_data_directory_is_closed_to_others(directory):
    """Keys and passwords will lie in it."""
    with DataDirLock(directory / "a"):
        assert (directory / "a").stat().st_mode & 0o777 == 0o700
