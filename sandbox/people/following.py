"""Do literally what a report's `next` says, command by command, up to the first run that it starts."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from sandbox.people.place import Place

_COMMAND = re.compile(r'\{"[^{}]*\}|aws [a-z]+ [a-z-]+ --[^;\n]*')


def commands(text: str) -> list[str]:
    """Inputs of the state machine and commands of the AWS CLI, as they stand in the text."""
    found = [each.group().rstrip(" .,") for each in _COMMAND.finditer(text)]
    inputs = [number for number, each in enumerate(found) if each.startswith("{")]
    return found[: inputs[0] + 1] if inputs else found


def follow(place: Place, text: str) -> tuple[list[str], list[str]]:
    """The runs that were started, and what AWS refused, with its words."""
    started, refused = [], []
    for command in commands(text):
        if command.startswith("{"):
            started.append(place.start(json.loads(command)))
            place.rest()
            continue
        try:
            _call(place, shlex.split(command))
        except (ClientError, BotoCoreError, ParamValidationError, ValueError) as error:
            refused.append(f"{command}: {error}")
    return started, refused


def _call(place: Place, words: list[str]) -> None:
    """`aws <service> <operation> --name value …`, as the AWS CLI reads it."""
    client: Any = place.account.client(words[1])
    method = words[2].replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    names = {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): name for name in shape.members}
    given: dict[str, Any] = {}
    for option, value in zip(words[3::2], words[4::2], strict=True):
        if option == "--region":
            continue  # there is one
        name = names[option.removeprefix("--")]
        given[name] = [value] if shape.members[name].type_name == "list" else value
    getattr(client, method)(**given)
