"""A buildspec, version 0.2: which commands run in which phase, and with which variables.

CodeBuild User Guide, "Build specification reference". Only what is said here is taken; any other key is an
error that names it, because a build that leaves something out would prove nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")


class BuildspecError(Exception):
    """The buildspec cannot be run here. The text names what is wrong."""


@dataclass(frozen=True)
class Phase:
    """finally: commands that run in any case, when the others have ended."""

    commands: tuple[str, ...] = ()
    lastly: tuple[str, ...] = ()


@dataclass(frozen=True)
class Buildspec:
    variables: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, Phase] = field(default_factory=dict)


def parse(text: str) -> Buildspec:
    """Raises BuildspecError."""
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildspecError(f"Error while parsing the buildspec: {error}") from error
    if not isinstance(read, Mapping):
        raise BuildspecError("The buildspec is not a mapping")
    _known("buildspec", read, "version", "env", "phases")
    if str(read.get("version")) != "0.2":
        raise BuildspecError(f"version {read.get('version')} of a buildspec; here there is 0.2 only")
    env = _mapping("env", read.get("env") or {})
    _known("env", env, "shell", "variables")
    if env.get("shell", "bash") != "bash":
        raise BuildspecError(f"env/shell {env['shell']}; here there is bash only")
    variables = _mapping("env/variables", env.get("variables") or {})
    phases = _mapping("phases", read.get("phases") or {})
    _known("phases", phases, *PHASES)
    if not phases:
        raise BuildspecError("phases: there is none")
    return Buildspec(
        {str(name): str(value) for name, value in variables.items()},
        {name: _phase(name, _mapping(name, phases[name])) for name in PHASES if name in phases},
    )


def _phase(name: str, given: Mapping[str, Any]) -> Phase:
    _known(f"phases/{name}", given, "commands", "finally")
    return Phase(_commands(name, given, "commands"), _commands(name, given, "finally"))


def _commands(phase: str, given: Mapping[str, Any], block: str) -> tuple[str, ...]:
    listed = given.get(block) or []
    if not isinstance(listed, list) or not all(isinstance(command, str) for command in listed):
        raise BuildspecError(f"phases/{phase}/{block} is not a list of commands")
    return tuple(listed)


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BuildspecError(f"{name} is not a mapping")
    return value


def _known(where: str, given: Mapping[str, Any], *known: str) -> None:
    if unknown := sorted(map(str, given.keys() - set(known))):
        raise BuildspecError(f"{where}: the local account's builds have no {', '.join(unknown)}")
