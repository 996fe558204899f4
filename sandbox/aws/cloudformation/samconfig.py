"""The parameters that `sam deploy` would take from a samconfig.toml, as they are in this account.

SAM CLI configuration file (AWS SAM developer guide): the environment `default`, of the command `deploy` or of
all of them (`global`); parameter_overrides is text of KEY=VALUE, a list of such texts, or a table.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.aws.cloudformation.template import TemplateError
from sandbox.iam.requests import ACCOUNT, REGION

_ARN = re.compile(r"arn:aws[a-z-]*:([a-z0-9-]+):([a-z0-9-]*):([0-9]{12}):")


def parameters_in(file: Path) -> dict[str, str]:
    """As the file has them. Raises TemplateError: there is no such file, or it has none."""
    overrides = _setting(file, "parameter_overrides")
    if not overrides:
        raise TemplateError(f"{file} has no parameter_overrides under [default.deploy.parameters]")
    return dict(_pairs(overrides, file))


def stack_name_in(file: Path) -> str | None:
    """The stack that `sam deploy` would make. Raises TemplateError, as parameters_in does."""
    name = _setting(file, "stack_name")
    return str(name) if name else None


def as_here(parameters: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The parameters with every ARN moved to this account and Region, and from where they were moved."""
    places = set()

    def moved(found: re.Match[str]) -> str:
        service, region, account = found.groups()
        places.update({account} - {ACCOUNT} | ({region} - {REGION, ""}))
        return f"arn:aws:{service}:{REGION if region else ''}:{ACCOUNT}:"

    here = {name: _ARN.sub(moved, value) for name, value in parameters.items()}
    return here, sorted(places)


def _setting(file: Path, name: str) -> Any:
    try:
        known = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise TemplateError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TemplateError(f"{file} is not TOML: {error}") from error
    environment = known.get("default", {})
    commands = (environment.get(command, {}).get("parameters", {}) for command in ("deploy", "global"))
    return next((found for found in (command.get(name) for command in commands) if found), None)


def _pairs(overrides: Any, file: Path) -> Iterator[tuple[str, str]]:
    if isinstance(overrides, Mapping):
        yield from ((str(name), str(value)) for name, value in overrides.items())
    elif isinstance(overrides, list):
        for each in overrides:
            # An element is one pair, so a blank in its value needs no quotes.
            yield from _pairs(each if isinstance(each, Mapping) else shlex.quote(str(each)), file)
    else:
        for pair in shlex.split(str(overrides)):
            name, equals, value = pair.partition("=")
            if not equals:
                raise TemplateError(f"{file}: parameter_overrides has {pair!r}, which is not KEY=VALUE")
            yield name, value
