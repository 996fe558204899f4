"""The runs that wait for a person's answer."""

from __future__ import annotations

import json
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused

# API reference, SendTaskSuccess: nobody waits for the answer (any more).
_NOT_WAITING = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


class WaitingRuns:
    """Implements ports.Waiting."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions

    def answer(self, token: str, approved: bool) -> bool:
        """SendTaskSuccess: a no is an outcome, too, and no error. False if the run does not wait for it. Sent
        once: after a lost response a second try would say so of a run that has gone on.

        Raises AwsUnavailable, AwsRefused (denied), without AWS's words, which may repeat the token.
        """
        try:
            with aws_errors():
                self._stepfunctions.send_task_success(
                    taskToken=token, output=json.dumps({"approved": approved})
                )
        except AwsRefused as refused:
            if refused.code in _NOT_WAITING:
                return False
            raise AwsRefused(f"SendTaskSuccess: {refused.code}", refused.code) from None
        return True
