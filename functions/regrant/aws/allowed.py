"""The owner's lists in SSM Parameter Store: one StringList parameter a list, made by the template.

API reference: GetParameters. A list of 50 ARNs is about 4 KB, and all variables of a function hold 4 KB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.clock import seconds_between
from regrant.errors import AwsRefused
from regrant.model.catalogue import Service
from regrant.settings import Allowed, ListName

FRESH = 60.0
"""Seconds for which an execution environment uses a list again."""
EMPTY = "none"
"""The text of a list without ARNs, because a parameter cannot be empty."""


class ParameterLists:
    """Implements ports.AllowedLists. A parameter is named `prefix` (which ends in a slash), then its list;
    `entry_name` names that of a service's entry."""

    def __init__(self, ssm: Any, prefix: str, entry_name: Callable[[Service], str]) -> None:
        self._ssm = ssm
        self._prefix = prefix
        self._entry_name = entry_name
        self._known: dict[ListName, tuple[str, frozenset[str]]] = {}

    def read(self, now: str, *lists: ListName) -> Allowed:
        """GetParameters of those that are not fresh.

        Raises AwsUnavailable, AwsRefused (denied, no such list).
        """
        return self._read(now, lists)[1]

    def read_with_entry(self, service: Service, now: str, *lists: ListName) -> tuple[str | None, Allowed]:
        """GetParameters of the entry, too, which need not be there. Raises the same."""
        return self._read(now, lists, self._entry_name(service))

    def _read(
        self, now: str, lists: tuple[ListName, ...], beside: str | None = None
    ) -> tuple[str | None, Allowed]:
        """The text of `beside`, a parameter's name, and the lists."""
        found = {name: self._known[name] for name in lists if self._is_fresh(name, now)}
        wanted = {self._prefix + name: name for name in lists if name not in found}
        texts = self._texts([*wanted, *([beside] if beside else [])])
        for parameter, name in wanted.items():
            if parameter not in texts:
                raise AwsRefused(f"There is no parameter {parameter}.", "ParameterNotFound")
            found[name] = self._known[name] = (now, _arns(texts[parameter]))
        return texts.get(beside or ""), Allowed(**{name: arns for name, (_, arns) in found.items()})

    def _is_fresh(self, name: ListName, now: str) -> bool:
        return name in self._known and abs(seconds_between(self._known[name][0], now)) < FRESH

    def _texts(self, names: list[str]) -> dict[str, str]:
        if not names:
            return {}
        with aws_errors():
            answer = self._ssm.get_parameters(Names=names)
        return {each["Name"]: each["Value"] for each in answer["Parameters"]}


def _arns(text: str) -> frozenset[str]:
    return frozenset() if text == EMPTY else frozenset(part.strip() for part in text.split(","))
