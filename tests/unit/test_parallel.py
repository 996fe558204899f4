"""Reads inside reads, more of them than there are threads, come to an end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from regrant.parallel import each

FUNCTIONS = Path(__file__).parents[2] / "functions"
# In a process of its own: threads that wait for each other would keep this one from its end.
ROLES_OF_AN_AUDIT = """
from threading import Barrier
from regrant.parallel import both, each

begun = Barrier(16)

def attachments(role):
    if role < 16:
        begun.wait()  # now every thread of the pool is inside a read that is to begin another
    return both(lambda: role, lambda: -role)

read = each(attachments, tuple(range(40)))
print(read == tuple((role, -role) for role in range(40)))
"""


def test_every_thread_may_begin_reads_inside_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ROLES_OF_AN_AUDIT],
        cwd=FUNCTIONS,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "True\n", done.stderr


def test_the_first_failure_in_order_is_raised() -> None:
    def fail(number: int) -> int:
        if number:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match=r"\A1\Z"):
        each(fail, tuple(range(100)))
