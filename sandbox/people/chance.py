"""Random stories; one seed, one story."""

from __future__ import annotations

import random
from typing import Any, Literal, TypeVar

from sandbox.people.story import OF_A_RUN, Act, Days, Follow, Mode, Moment, Run, Step, Story, Wait

_T = TypeVar("_T")

_PROOF = ("PauseForHealth", "VerifyHealth")
_UNDO = ("UndoRole", "UndoService", "PauseForUndo", "ConfirmBaseline", "CloseIncident")
_BEGIN = ("Diagnose", "AskApproval", "CaptureBaseline")
_CONTAIN = ("PauseForDeployment", *_BEGIN, "AttachPolicies", "RedeployService", *_PROOF, *_UNDO)
_STATES: dict[Mode, tuple[str, ...]] = {
    "plan": ("Diagnose", "CloseIncident"),
    "alarm": _CONTAIN,
    "contain": _CONTAIN,
    "cure": (*_BEGIN, "RedeployService", *_PROOF, "WithdrawGrants", *_UNDO),
    "expire": ("Diagnose", "CaptureBaseline", "WithdrawGrants", *_PROOF, *_UNDO),
    "rollback": _UNDO,
    "keep": ("Diagnose", "CaptureBaseline", "WithdrawGrants", "CloseIncident"),
}
"""Where others may come between; a run does not pass all of them."""
_ANSWERS: dict[Literal["Yes", "No", ""], float] = {"Yes": 6, "No": 1, "": 1}
_CALLS = (
    *("regrant-attach-policies iam:AttachRolePolicy", "regrant-attach-policies scheduler:CreateSchedule"),
    *("regrant-withdraw-grants iam:DetachRolePolicy", "regrant-undo-role iam:DetachRolePolicy"),
    *("regrant-redeploy-service ecs:UpdateService", "regrant-redeploy-service ecs:RegisterTaskDefinition"),
    *("regrant-capture-baseline dynamodb:PutItem", "regrant-undo-role iam:AttachRolePolicy"),
)
_ENTRIES: tuple[dict[str, Any], ...] = (
    {"grant_ttl_hours": 1},
    {"approval": "required"},
    {"task_role": "old"},
    {"task_role": "back"},
    {"task_role": "new"},
    {"policies": ["send"]},
    {"policies": ["receive", "send"]},
    {"managed_by": "terraform"},
)


def draw(seed: int) -> Story:
    return tuple(_Chance(random.Random(seed)).story())


class _Chance:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._runs = 0

    def story(self) -> list[Step]:
        story = self._beginning()
        for _ in range(self._chance.randint(3, 6)):
            story.append(self._step())
        if self._happens(0.4):
            story.append(Follow())
        if self._happens(0.1):
            story.append(Days(1))
        return story

    def _beginning(self) -> list[Step]:
        """Most of what others can spoil begins with a grant."""
        story: list[Step] = []
        if self._happens(0.5):
            story.append(Act("alone"))
        if self._happens(0.15):
            story += [Act("detach", ("new",)), Act("deploy", ("worker", "new")), Wait(240)]
        if self._happens(0.2):
            story += [Act("detach", ("old", "send")), Wait(60)]
        if self._happens(0.85):
            story.append(Run("contain"))
            if self._happens(0.35):
                story.append(Run("contain", "second"))
        self._runs = sum(isinstance(step, Run) for step in story)
        return story

    def _step(self) -> Step:
        kinds: dict[str, float] = {"run": 55, "act": 27, "wait": 10, "days": 1, "follow": 7}
        match self._one(kinds):
            case "run":
                return self._run()
            case "act":
                return self._act()
            case "wait":
                return Wait(self._chance.choice([60, 300, 1000, 3700]))
            case "days":
                return Days(1)
            case _:
                return Follow()

    def _run(self) -> Run:
        modes: dict[Mode, float] = {"alarm": 2, "contain": 3, "plan": 0.2, "cure": 4}
        if self._runs:
            modes |= {"expire": 4, "rollback": 5, "keep": 1}
        mode = self._one(modes)
        self._runs += 1
        moments: list[Moment] = []
        while len(moments) < 3 and self._happens(0.5):
            in_state = self._happens(0.75)
            place = self._chance.choice(_STATES[mode] if in_state else _CALLS)
            moments.append(Moment(place, self._act(inside=True), self._chance.choice([1, 1, 1, 2, 3])))
        return Run(
            mode,
            "worker" if mode in OF_A_RUN else self._service(),
            self._chance.randint(0, 3) if mode in OF_A_RUN else 0,
            tuple(moments),
            self._one(_ANSWERS),
            overlap=self._happens(0.12),
        )

    def _act(self, inside: bool = False) -> Act:
        role = self._one({"old": 8, "new": 2, "back": 1})
        policy = self._one({"receive": 6, "send": 1})
        service = self._service()
        another = self._one({"old": 1, "new": 2, "back": 1})
        acts: dict[tuple[Any, ...], float] = {
            ("detach", role, policy): 10,
            ("attach", role, policy): 8,
            ("keep", role, policy): 2,
            ("untag", role): 0.5,
            ("deploy", service, another): 3,
            ("deploy_latest", self._one({"second": 1, "worker": 1})): 2,
            ("delete_role", role): 1,
            ("create_role", role): 2,
            ("replace_policy", policy): 1,
            ("unenrol", service): 1,
            ("break_entry", service): 1,
            ("delete_schedules",): 1,
            ("deny", role): 1,
            ("lift_deny", role): 1,
            ("deploy", service): 1,
            ("deregister_first",): 1,
            ("deregister",): 0.5,
        }
        rare = ("attach_another", "allow_inline", "bound", "unbound", "tag")
        acts |= {(name, role): 0.5 for name in rare}
        acts |= {(name, policy): 0.5 for name in ("new_version", "delete_policy", "create_policy")}
        acts |= {
            (name, service): 0.3 for name in ("force", "stop_tasks", "recreate_service", "delete_service")
        }
        acts[("scale", service, self._chance.choice([0, 1, 3]))] = 0.3
        acts[("enrol",)] = 2
        if inside:
            acts[("stop",)] = 3
        name, *given = self._one(acts)
        if name == "enrol":
            given = [service, self._chance.choice(_ENTRIES)]
        return Act(name, tuple(given))

    def _service(self) -> str:
        return self._one({"worker": 4, "second": 2, "backend": 1})

    def _happens(self, chance: float) -> bool:
        return self._chance.random() < chance

    def _one(self, weights: dict[_T, float]) -> _T:
        return self._chance.choices(list(weights), list(weights.values()))[0]
