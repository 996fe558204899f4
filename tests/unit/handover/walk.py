"""Walks statemachine/handover.asl.yaml over the account in memory, with the steps themselves.

It knows the kinds of states, comparisons and fields that the definition has; what it does not know is an
error. Time is simulated: a Wait adds its seconds, a build and an answer what the test says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from regrant.errors import RegrantError
from regrant.handover.ask import ask_handover
from regrant.handover.build import start_build
from regrant.handover.capture import capture_services
from regrant.handover.cures import cure_services
from regrant.handover.open import open_handover
from regrant.handover.read import read_build
from regrant.handover.report import close_handover, page_handover
from regrant.handover.restore import restore_services
from regrant.handover.rollout import check_handover
from regrant.handover.state import create_state, remove_state
from regrant.model import handover as model
from tests.unit.fakes import Crash, at
from tests.unit.handover.world import INPUT, NAME, PLANNED, Handing, done

MACHINE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "statemachine" / "handover.asl.yaml").read_text()
)
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
STEPS: dict[str, tuple[type[msgspec.Struct], Callable[[Any, Handing], object]]] = {
    "OpenHandover": (model.OpenHandoverEvent, open_handover),
    "CreateState": (model.HandoverEvent, create_state),
    "RemoveState": (model.HandoverEvent, remove_state),
    "StartBuild": (model.BuildEvent, start_build),
    "ReadBuild": (model.HandoverEvent, read_build),
    "AskHandover": (model.AskHandoverEvent, ask_handover),
    "CaptureServices": (model.HandoverEvent, capture_services),
    "CheckHandover": (model.HandoverEvent, check_handover),
    "CureServices": (model.HandoverEvent, cure_services),
    "RestoreServices": (model.HandoverEvent, restore_services),
    "CloseHandover": (model.CloseHandoverEvent, close_handover),
    "PageHandover": (model.CloseHandoverEvent, page_handover),
}
TRIED_AGAIN = ("AwsUnavailable", "Runtime.ExitError")


class Failed(Exception):
    """A state has failed under that name."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.caught = {"Error": error, "Cause": cause}


def does(world: Handing) -> dict[str, Any]:
    """What each build comes to where all goes well: what Terraform does, then what the runner says."""

    def apply() -> dict[str, Any]:
        world.state_bucket.objects.append("prod/terraform.tfstate")
        world.applies()
        return done("apply", applied=True)

    def imports() -> dict[str, Any]:
        world.state_bucket.objects.append("prod/terraform.tfstate")
        return done("import", imported=[], already=0)

    return {
        "import": imports,
        "plan": PLANNED,
        "apply": apply,
        "drift": done("drift", empty=True, changes=[]),
        "undo": done("undo"),
    }


def says_yes(world: Handing) -> dict[str, Any]:
    world.says()
    return {"approved": True}


@dataclass
class Walk:
    """One execution. builds: what each action comes to, a result, a function that gives one, or a Failed.
    answer: what comes of the question. fails: (state, error) that its function fails by, always. heard: is
    called with each state before it is entered."""

    world: Handing
    name: str = NAME
    builds: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[Handing], Any] = says_yes
    fails: dict[str, str] = field(default_factory=dict)
    heard: Callable[[str], None] = lambda state: None
    clock: float = 0.0
    path: list[str] = field(default_factory=list)
    arrows: set[tuple[str, str]] = field(default_factory=set)
    data: Any = None
    given: Any = None
    sent: dict[str, Any] = field(default_factory=dict)
    """The first event that each function got, by the name of its handler."""

    def __post_init__(self) -> None:
        self.builds = does(self.world) | self.builds

    def run(self, given: Any = None) -> Walk:
        self.given = INPUT if given is None else given
        state: str | None = MACHINE["StartAt"]
        self.data = self.given
        while state is not None:
            assert len(self.path) < 2_500, "it does not end"
            self.path.append(state)
            self.heard(state)
            following = self._enter(state)
            if following:
                self.arrows.add((state, following))
            state = following
        return self

    @property
    def end(self) -> str:
        return self.path[-1]

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["report"]
        return found

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.report["findings"]]

    def short(self) -> list[str]:
        """The states that it went through, each once where it went round, without choices and waits."""
        tasks = [name for name in self.path if STATES[name]["Type"] == "Task"]
        return [name for number, name in enumerate(tasks) if tasks[number - 1 : number] != [name]]

    def _enter(self, name: str) -> str | None:
        state = STATES[name]
        if state["Type"] in ("Succeed", "Fail"):
            return None
        if state["Type"] == "Wait":
            self.clock += state["Seconds"]
            return str(state["Next"])
        if state["Type"] == "Choice":
            rules = (rule["Next"] for rule in state["Choices"] if holds(rule, self.data))
            return str(next(rules, state["Default"]))
        self.clock += 1
        try:
            result = self._call(name, state)
        except Failed as failed:
            rule = next(each for each in state["Catch"] if _catches(each, failed.caught["Error"]))
            self.data = written(self.data, rule["ResultPath"], failed.caught)
            return str(rule["Next"])
        self.data = written(self.data, state["ResultPath"], result)
        return str(state["Next"])

    def _call(self, name: str, state: Mapping[str, Any]) -> Any:
        """With the tries that Retry allows: a process that dies is tried again, as AWS's own answer is."""
        most = max(rule["MaxAttempts"] for rule in state["Retry"])
        for attempt in range(most + 1):
            try:
                return self._try(name, state)
            except Crash:
                self.world.fuse.blows_at = 0
            except RegrantError as error:
                if type(error).__name__ not in TRIED_AGAIN or attempt == most:
                    raise Failed(type(error).__name__, str(error)) from error
                self.clock += 30
        raise AssertionError("a process that died is tried again once")

    def _try(self, name: str, state: Mapping[str, Any]) -> Any:
        if name in self.fails:
            raise Failed(self.fails[name], "the test says so")
        waits = "FunctionName" in state["Parameters"]
        named = state["Parameters"]["FunctionName"] if waits else state["Resource"]
        kind, step = STEPS[named.removeprefix("${").removesuffix("FunctionArn}")]
        given = state["Parameters"]["Payload"] if waits else state["Parameters"]
        event = {key.removesuffix(".$"): self._of(key, given[key]) for key in given}
        self.sent.setdefault(step.__name__, event)
        result = msgspec.to_builtins(step(msgspec.convert(event, kind), self.world))
        if named == "${StartBuildFunctionArn}":
            return self._build(given["action"], result)
        if named == "${AskHandoverFunctionArn}":
            self.clock += 60
            answer = self.answer(self.world)
            if isinstance(answer, Failed):
                raise answer
            return answer
        return result

    def _build(self, action: str, build: str) -> Any:
        self.clock += 120
        self.world.builds.ended_at = at(self.clock)
        comes_to = self.builds[action]
        comes_to = comes_to() if callable(comes_to) else comes_to
        if isinstance(comes_to, Failed):
            raise comes_to
        if self.world.builds.known[build].goes_on:
            self.world.builds.end(build)
        return comes_to

    def _of(self, key: str, path: str) -> Any:
        if not key.endswith(".$"):
            return path
        return {
            "$": self.data,
            "$$.State.EnteredTime": at(self.clock),
            "$$.Execution.Name": self.name,
            "$$.Execution.Input": self.given,
            "$$.Execution.StartTime": at(0),
            "$$.Task.Token": f"token-{len(self.path)}",
        }[path]


def _catches(rule: Mapping[str, Any], error: str) -> bool:
    return error in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]


def written(data: Any, path: str, value: Any) -> Any:
    """The data with the value under that path (`$`, `$.key` or `$.key.key`)."""
    if path == "$":
        return value
    key, _, rest = path.removeprefix("$.").partition(".")
    return {**data, key: written(data.get(key, {}), f"$.{rest}" if rest else "$", value)}


def holds(rule: Mapping[str, Any], data: Any) -> bool:
    """Raises KeyError for a variable that is not there, which ends an execution (States.Runtime)."""
    if "And" in rule:
        return all(holds(each, data) for each in rule["And"])
    if "Or" in rule:
        return any(holds(each, data) for each in rule["Or"])
    found = list(_found(rule["Variable"], data))
    if "IsPresent" in rule:
        return bool(found) is rule["IsPresent"]
    if not found:
        raise KeyError(rule["Variable"])
    ((kind, wanted),) = [(k, v) for k, v in rule.items() if k not in ("Variable", "Next")]
    if kind == "NumericGreaterThanEquals":
        return bool(found[0] >= wanted)
    assert kind in ("StringEquals", "BooleanEquals"), kind
    return type(found[0]) is type(wanted) and bool(found[0] == wanted)


def _found(path: str, data: Any) -> Iterator[Any]:
    for key in path.removeprefix("$.").split("."):
        if not isinstance(data, Mapping) or key not in data:
            return
        data = data[key]
    yield data
