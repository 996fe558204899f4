"""IAM's spelling of actions. Services print `sqs:receivemessage` and `SNS:Publish` in their denials.

The table is iam_actions.txt: a service prefix and its actions on each line, made by scripts/iam_actions.py.
It is read at the first use, not at import, and only the line of the service asked for is taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("iam_actions.txt")


def canonical_action(service: str, name: str) -> str:
    """`service:Name` in IAM's spelling. A name that the table lacks stays, its prefix in lower case."""
    prefix = service.lower()
    return f"{prefix}:{_names(prefix).get(name.lower(), name)}"


def is_action(service: str, name: str) -> bool:
    """Whether IAM knows the action, in whatever case."""
    return name.lower() in _names(service.lower())


@cache
def _table() -> str:
    return "\n" + _TABLE.read_text(encoding="ascii")


# A text may name any number of services, and most of those are none.
_NONE: Mapping[str, str] = {}


def _names(prefix: str) -> Mapping[str, str]:
    begin = _table().find(f"\n{prefix} ")
    return _NONE if begin < 0 else _line(begin)


@cache
def _line(begin: int) -> Mapping[str, str]:
    table = _table()
    end = table.find("\n", begin + 1)
    names = table[begin + 1 : end if end > 0 else None].split(" ")[1:]
    return {name.lower(): name for name in names}
