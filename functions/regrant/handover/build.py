"""Start a build of the runner: config and task token go to the work bucket, its intent to the journal.

The build takes the token from there when it has its result. So a step that is tried again, which has another
token, leaves the build of its first try alone and only writes its own over the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from regrant.handover.ports import HandoverAccount
from regrant.journal import carry_out, note_undone
from regrant.model.handover import Action, BuildEvent, BuildState, HandoverState, Kept, Spec
from regrant.model.journal import Change
from regrant.model.runs import run_of

PLAN_FILE = "plan.tfplan"


def start_build(event: BuildEvent, aws: HandoverAccount) -> str:
    """The build's id. Raises AwsUnavailable, AwsRefused: nothing was begun, or the next try finds it."""
    opened, action = event.state.handover, event.action
    spec = opened.spec
    assert spec is not None  # DecideOpen sends only what has one
    run, where = run_of(opened.subject), f"{event.execution}/{action}"
    kept = aws.kept.load(run) or Kept(spec, opened.opened_at)
    builds = builds_of(aws.journal.load(run).changes)
    earlier = [each for each in builds if each.target.endswith(f" of {event.execution}")]
    earlier = [each for each in earlier if action_of(each) == action]
    going = next((each for each in earlier if each.undone_at is None), None)
    ended = tuple(each for each in builds if each != going)
    config = config_of(event.state, action, kept, aws, ended)
    aws.work.put(f"{where}.json", _json(config))
    aws.work.put(f"{where}.token", event.token)
    if going is not None and (found := _look(going, run, event, aws)) is not None:
        if found.goes_on:
            return found.id
        note_undone(aws.journal, run, going, found.ended or event.now)
        going = None
    count = len(earlier) + (0 if going else 1)
    change = going or Change("build", f"{action}/{count} of {event.execution}", "", event.now)

    def act(first: bool) -> str:
        version = spec.source.before if action in ("import", "undo") else spec.source.after
        job = {"HANDOVER_STEPS": " ".join(steps_of(action, config)), "HANDOVER_DIRECTORY": spec.directory}
        return aws.builds.start(event.execution, action, version, _once(change), job)

    return carry_out(aws.journal, run, change, act, event.now).value


def _look(change: Change, run: str, event: BuildEvent, aws: HandoverAccount) -> BuildState | None:
    """The build of an earlier try; None if there is none, as far as CodeBuild knows."""
    if change.value:
        return aws.builds.look(change.value)
    return aws.builds.find(event.execution, event.action, _once(change))


def _once(change: Change) -> str:
    return change.target.replace("/", "-").replace(" of ", "-")[:64]


def builds_of(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(change for change in changes if change.kind == "build")


def action_of(build: Change) -> Action:
    action: Action = msgspec.convert(build.target.partition("/")[0], Action)
    return action


def once_of(build: Change) -> tuple[str, Action, str]:
    """The execution, the action and the mark by which CodeBuild's own list has that build."""
    return build.target.partition(" of ")[2], action_of(build), _once(build)


def config_of(
    state: HandoverState, action: Action, kept: Kept, aws: HandoverAccount, ended: tuple[Change, ...]
) -> dict[str, Any]:
    """The runner's config. ended: the handover's other builds, of which one may have left a lock."""
    spec, region = kept.spec, aws.settings.place[0]
    config = _common(spec, region, aws.state_place)
    if action == "import":
        return config | {"imports": spec.imports}
    if action == "apply":
        assert (
            state.reading is not None and state.reading.plan is not None
        )  # CaptureServices demanded a yes to it
        return config | {"approved": state.reading.plan.sha256}
    if action == "undo":
        config |= {"undo": undo_map(kept)}
        lock = _ended_run(ended, aws)
        return config | ({"ended_run": lock} if lock else {})
    return config


def steps_of(action: Action, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The runner's actions in one build, in their order: each needs the backend, and an undo a state that no
    killed command has locked. Where no apply has begun, an undo is no more than that."""
    if action != "undo":
        return ("prepare", action)
    heal = ("heal",) if "ended_run" in config else ()
    return ("prepare", *heal, *(("undo",) if config["undo"] else ()))


def undo_map(kept: Kept) -> dict[str, str]:
    """Which revision (ARN) each task definition's address goes back to. Empty before the services were
    captured: then no apply has begun, and the build only frees a lock."""
    revisions = {mark.service: mark.revision for mark in kept.services}
    return {
        each.definition: revisions[each.service] for each in kept.spec.targets if each.service in revisions
    }


def _common(spec: Spec, region: str, state: Mapping[str, object]) -> dict[str, Any]:
    return {
        "directory": spec.directory,
        "region": region,
        "state": dict(state),
        "roles": {target.definition: target.role for target in spec.targets},
        "services": {target.address: target.definition for target in spec.targets},
        "plan_file": PLAN_FILE,
    }


def _ended_run(ended: tuple[Change, ...], aws: HandoverAccount) -> dict[str, str] | None:
    """Whose lock may be taken off: that of the last build that has ended, however that was, as the build
    itself has named its user and host, within the time that CodeBuild gives it. One that gave its lock back
    has none; a command whose lock was written twice has refused its own."""
    for change in reversed(ended):
        build = aws.builds.look(change.value) if change.value else None
        if build is None or not build.ended:
            continue
        execution, action, _ = once_of(change)
        who = aws.work.read(f"{execution}/{action}.who")
        return {"who": who, "began": build.began, "ended": build.ended} if who else None
    return None


def _json(config: Mapping[str, Any]) -> str:
    return msgspec.json.encode(config, order="deterministic").decode()
