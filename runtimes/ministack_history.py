"""ministack with the histories that AWS has: the input of each call (API reference,
LambdaFunctionScheduledEventDetails, TaskScheduledEventDetails). Its own say only that there was one.

A program for ministack's own Python, which has nothing of this project.
"""

import importlib
import json
import threading
from typing import Any

states: Any = importlib.import_module("ministack.services.stepfunctions")
add_event = states._add_event
last = threading.local()
"""The call that the execution of this thread is about to make, as its history has it."""


def _add_event(execution: Any, kind: str, details: Any = None) -> Any:
    event = add_event(execution, kind, details)
    if kind == "TaskScheduled":
        last.event = event
    return event


def _with_input(name: str) -> None:
    invoke = getattr(states, name)

    def invoked(resource: str, given: Any, *more: Any) -> Any:
        event, last.event = getattr(last, "event", None), None
        if event and resource.startswith("arn:aws:lambda:"):
            event["type"] = "LambdaFunctionScheduled"
            del event["taskScheduledEventDetails"]
            event["lambdaFunctionScheduledEventDetails"] = {"resource": resource, "input": json.dumps(given)}
        elif event:
            event["taskScheduledEventDetails"]["parameters"] = json.dumps(given)
        return invoke(resource, given, *more)

    setattr(states, name, invoked)


if __name__ == "__main__":
    states._add_event = _add_event
    for each in ("_invoke_resource", "_invoke_resource_with_timeout", "_invoke_with_callback"):
        _with_input(each)
    importlib.import_module("ministack.app").main()
