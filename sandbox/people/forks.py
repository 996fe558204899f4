"""Processes that each have the account, and play each story in a fork of it, so that all begin alike."""

from __future__ import annotations

import os
import resource
import signal
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import msgspec

from sandbox.people.facts import Seen
from sandbox.people.place import Place, place
from sandbox.people.play import Player
from sandbox.people.story import Story

LIMIT, PATIENCE = 120, 1800
"""Seconds of work, and of real time, after which a story is given up. It takes a few."""

_here = ExitStack()
_place: Place | None = None


def players(processes: int) -> ProcessPoolExecutor:
    """A pool to submit `play_forked` to. New processes, since a process with threads may not be forked."""
    return ProcessPoolExecutor(processes, get_context("spawn"), _prepare)


def _prepare() -> None:
    global _place
    _place = _here.enter_context(place())


def play_forked(story: Story) -> Seen:
    """Play the story in a fork of this process's account."""
    assert _place is not None
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
        signal.alarm(PATIENCE)
        _answer(_place, story, write)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        text = answers.read()
    os.waitpid(child, 0)
    return msgspec.json.decode(text, type=Seen) if text else Seen(failed=f"not over after {LIMIT} s of work")


def _answer(there: Place, story: Story, pipe: int) -> None:
    player = Player(there)
    failed = ""
    try:
        player.play(story)
    except BaseException as error:
        failed = "".join(traceback.format_exception(error)[-4:])
    seen = msgspec.structs.replace(player.seen, failed=failed)
    with os.fdopen(pipe, "wb") as out:
        out.write(msgspec.json.encode(seen))
