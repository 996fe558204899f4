"""What the creator of a resource goes by: the account, and the stack's names, files and properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Properties: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Created:
    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class Account(Protocol):
    """Where a stack is created: an account in this process, or one that is served."""

    @property
    def account_id(self) -> str: ...
    @property
    def region(self) -> str: ...
    def client(self, service: str) -> Any: ...


@dataclass(frozen=True)
class Context:
    """What a creator may use: the account, and of its stack the names and the files.

    file: the local file or folder that stands for an object in a bucket. use_code: has Lambda run a function
    (its name) from a folder.
    """

    core: Account
    physical_name: Callable[[str], str]
    file: Callable[[str, str], Path]
    use_code: Callable[[str, Path], None]


def only(properties: Properties, *names: str) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def camel(value: Any) -> Any:
    """Some APIs begin names in lower case where CloudFormation does not."""
    if isinstance(value, Mapping):
        return {key[0].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value
