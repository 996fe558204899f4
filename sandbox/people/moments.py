"""Others act in the middle of a run: before a state is entered, or before a function makes a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser.asl.component.state.state import CommonStateField

from sandbox.engine.faults import Effect, Faults
from sandbox.people.story import Act, Moment

STOP = "stop"
"""The act after which the state that was about to be entered is not: the run was stopped there."""


class Moments(Faults):
    """In place of the account's faults. `comes` hears that a run (its name) comes to a state, `enters` that
    it goes on, after others have acted there.
    """

    def __init__(
        self,
        account: Any,
        act: Callable[[Act], None],
        comes: Callable[[str, str], None],
        enters: Callable[[str, str], None],
    ) -> None:
        super().__init__()
        self._act, self._comes, self._enters = act, comes, enters
        self._to_come: list[tuple[Moment, int]] = []
        """With how many times the place is still to be passed."""
        self._acting = False
        account.faults = self
        self._watch_states(account)

    def expect(self, moments: tuple[Moment, ...]) -> None:
        """These, and no others any more."""
        self._to_come = [(moment, moment.time) for moment in moments]

    def match(self, service: str, operation: str, function: str | None, **about: Any) -> Effect | None:
        if function and service not in ("function", "lambda"):
            self._pass(f"{function} {service}:{operation}")
        return super().match(service, operation, function, **about)

    def _watch_states(self, account: Any) -> None:
        evaluate = CommonStateField._eval_body

        def watched(state: Any, env: Any) -> None:
            run = env.states.context_object.context_object_data["Execution"]["Name"]
            self._comes(run, state.name)
            stopped = self._pass(state.name)
            self._enters(run, state.name)
            if not stopped:
                evaluate(state, env)

        account.patch(CommonStateField, "_eval_body", watched)

    def _pass(self, place: str) -> bool:
        """Somebody acts, if this is a moment for it; whether the run was stopped."""
        if self._acting:
            return False
        here = [each for each in self._to_come if each[0].place == place]
        stopped = False
        for moment, times in here:
            self._to_come.remove((moment, times))
            if times > 1:
                self._to_come.append((moment, times - 1))
                continue
            self._acting = True
            try:
                self._act(moment.act)
            finally:
                self._acting = False
            stopped = stopped or moment.act.name == STOP
        return stopped and " " not in place
