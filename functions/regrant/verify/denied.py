"""Which lines with a denial's words count against the service: those in which AWS denied its role a call.

An app's own "not authorized to perform this action", another cloud's, and another principal's denial do not.
Nor do the calls that the enrolment ignores, or that the diagnosis found and said to stay denied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from regrant.denials.own import is_ignored, is_other_principal, kind_of
from regrant.model.aws import LogLine
from regrant.model.denial import Denial, StaysDenied


class Denied(NamedTuple):
    """The lines that count, and those that do not though the role was denied, with the latter's actions."""

    counted: tuple[LogLine, ...]
    expected: tuple[LogLine, ...]
    actions: tuple[str, ...]


class Reading(msgspec.Struct, frozen=True):
    """role: that of the tasks (ARN). stays_denied: see Diagnosis. ignored: the entry's ignore_actions."""

    role: str
    stays_denied: frozenset[StaysDenied]
    ignored: tuple[str, ...]

    def sort(self, lines: Iterable[LogLine]) -> Denied:
        """The lines by whether they count. One in which any denial counts does; one without is in neither."""
        counted, expected, actions = [], [], set[str]()
        for line in lines:
            own = self._own(line.message)
            if all(map(self._is_expected, own)):
                expected += [line] if own else []
                actions |= {denial.action for denial in own if denial.action}
            else:
                counted.append(line)
        return Denied(tuple(counted), tuple(expected), tuple(sorted(actions)))

    def calls(self, lines: Iterable[LogLine]) -> tuple[Denial, ...]:
        """What the role was denied in lines that count, each once."""
        own = (denial for line in lines for denial in self._own(line.message))
        return tuple(dict.fromkeys(denial for denial in own if not self._is_expected(denial)))

    def _own(self, message: str) -> list[Denial]:
        # Imported here: most looks see no such line, and need none of the reader's patterns at a cold start.
        from regrant.denials.reader import read_denials

        # A text that names nobody is from the log of the service's own tasks, so it is the role's.
        return [denial for denial in read_denials(message) if not is_other_principal(denial, self.role)]

    def _is_expected(self, denial: Denial) -> bool:
        return is_ignored(denial, self.ignored) or kind_of(denial) in self.stays_denied
