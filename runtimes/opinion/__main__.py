"""`make second-opinion ENDPOINT=http://127.0.0.1:4566`: asks an emulator what the local account is asked.

It says where both agree, where they differ, and what could not be compared. Neither is AWS: a difference is a
question for AWS's documentation. It asks no endpoint that is not on this machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtimes.opinion.place import NotLoopback, NotThere, Place, clients, raise_if_not_there
from runtimes.opinion.questions import QUESTIONS, Question
from sandbox.account import LocalAccount


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m runtimes.opinion", description=__doc__)
    parser.add_argument("--endpoint", default="", help="where the emulator listens")
    endpoint = parser.parse_args(arguments).endpoint
    try:
        there = clients(endpoint)
        ours = _of_local_account()
        theirs = [_answer(question, Place(there)) for question in QUESTIONS]
    except (NotLoopback, BotoCoreError) as error:
        print(f"make second-opinion: {error}", file=sys.stderr)
        return 2
    return _report(ours, theirs)


def _of_local_account() -> list[Any]:
    with LocalAccount(http_port=0) as account:
        here = clients(str(account.endpoint_url))
        return [_answer(question, Place(here, account.clock.run_for)) for question in QUESTIONS]


def _answer(question: Question, place: Place) -> Any:
    """What was answered: NotThere if that is not there, and an error's code if a call failed."""
    try:
        with place:
            return question(place)
    except NotThere as missing:
        return missing
    except ClientError as error:
        try:
            raise_if_not_there(error)
        except NotThere as missing:
            return missing
        return f"{error.operation_name} failed: {error.response['Error']['Code']}"
    except (KeyError, IndexError, TypeError) as error:
        return f"an answer without {error}"


def _report(ours: list[Any], theirs: list[Any]) -> int:
    """Print a line for each question. Returns 1 if an answer differs."""
    counts = {"agrees": 0, "differs": 0, "not there": 0}
    for question, mine, other in zip(QUESTIONS, ours, theirs, strict=True):
        verdict = _verdict(mine, other)
        counts[verdict] += 1
        print(f"{verdict:10} {_title(question)}")
        if verdict == "differs":
            print(f"{'':10}   the local account: {mine}\n{'':10}   the emulator:      {other}")
        elif verdict == "not there":
            print(f"{'':10}   the emulator has no {other}")
    print(
        f"{counts['agrees']} agree, {counts['differs']} differ, {counts['not there']} could not be compared."
        " Neither is AWS: look up what differs in its documentation."
    )
    return 1 if counts["differs"] else 0


def _verdict(mine: Any, other: Any) -> str:
    if isinstance(other, NotThere):
        return "not there"
    return "agrees" if mine == other else "differs"


def _title(question: Callable[..., Any]) -> str:
    return " ".join((question.__doc__ or question.__name__).split())


if __name__ == "__main__":
    sys.exit(main())
