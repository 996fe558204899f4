"""Stories in which a promise was broken once, each as its shortest; all of them are tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.people.story import Act, Days, Follow, Mode, Moment, Run, Step, Story, Wait


@dataclass(frozen=True)
class Found:
    """promise: that which was broken."""

    promise: str
    story: Story


def act(name: str, *given: Any) -> Act:
    return Act(name, given)


def run(mode: Mode, *moments: Moment, service: str = "worker", of: int = 0) -> Run:
    return Run(mode, service, of, moments)


def at(place: str, *what: Any, time: int = 1) -> Moment:
    return Moment(place, act(*what), time)


ALONE = act("alone")
CONTAINED = (ALONE, run("contain"))
SHARED = (run("contain"), run("contain", service="second"))
OWN_ROLE: tuple[Step, ...] = (
    *(ALONE, act("detach", "new"), act("deploy", "worker", "new"), Wait(240)),
    run("contain"),
)
"""The service runs with its declared role, which had lost its policy, and is contained there."""
ASKED = act("enrol", "worker", {"approval": "required"})

_BACK_OR_LEFT = {
    "undo of a cure attaches what a person took off": Found(
        "what_others_detached_stays_off", (*SHARED, run("cure"), act("detach"), run("rollback", of=2))
    ),
    "a step attaches again what a person took off before it was shown": Found(
        "what_others_detached_stays_off",
        (ALONE, run("contain", at("regrant-attach-policies iam:ListAttachedRolePolicies", "detach", time=2))),
    ),
    "undo of an expiry attaches what a person took off": Found(
        "what_others_detached_stays_off",
        (
            *SHARED,
            act("deploy", "worker", "new"),
            Wait(240),
            run("expire"),
            act("detach"),
            run("rollback", of=2),
        ),
    ),
    "an earlier hold keeps a failed fix": Found(
        "a_failed_fix_comes_off",
        (*CONTAINED, act("detach"), Wait(60), run("contain", at("PauseForHealth", "deny"))),
    ),
    "a hold of another service keeps a failed fix": Found(
        "a_failed_fix_comes_off",
        (
            *(run("contain", service="second"), act("detach"), Wait(60)),
            run("contain", at("PauseForHealth", "deny")),
        ),
    ),
    "policy replaced while a person thinks": Found(
        "what_was_approved_is_applied",
        (ALONE, ASKED, run("contain", at("AskApproval", "replace_policy", "receive"))),
    ),
    "cure leaves a grant on a third role": Found(
        "cured_leaves_none_unnamed",
        (*CONTAINED, act("deploy", "worker", "back"), Wait(240), run("contain"), run("cure")),
    ),
    "cure leaves a grant on the declared role": Found(
        "cured_leaves_none_unnamed",
        (
            *CONTAINED,
            *(act("detach", "new"), act("deploy", "worker", "new"), Wait(240), run("contain"), run("cure")),
        ),
    ),
    "grant of what is no longer declared": Found(
        "cured_leaves_none_unnamed",
        (*CONTAINED, act("enrol", "worker", {"task_role": "old", "policies": ["send"]}), run("cure")),
    ),
    "typing error in the catalogue": Found("a_grant_ends", (*CONTAINED, act("break_entry"), Days(2))),
    "policy that is no longer grantable": Found(
        "a_grant_ends",
        (
            *CONTAINED,
            act("enrol", "worker", {"policies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}),
            Days(2),
        ),
    ),
    "schedules deleted": Found("a_grant_ends", (*CONTAINED, act("delete_schedules"), Days(2))),
}
_CUT_OFF = {
    "unenrolled service is cut off": Found(
        "no_task_is_overlooked", (*CONTAINED, act("unenrol"), run("expire"), Wait(240))
    ),
    "record of a deleted role strips the next": Found(
        "what_others_attached_stays",
        (
            *CONTAINED,
            *(act("deploy", "worker", "new"), Wait(240), act("delete_role"), run("expire")),
            *(act("create_role"), run("expire")),
        ),
    ),
    "role made again under a service that runs": Found(
        "what_others_attached_stays",
        (*CONTAINED, act("delete_role"), act("create_role"), Wait(120), run("expire")),
    ),
    "cure detaches what a person attached in it": Found(
        "what_others_attached_stays",
        (*CONTAINED, act("detach"), run("cure", at("PauseForHealth", "attach", time=2))),
    ),
    "expiry detaches what a person attached days before": Found(
        "what_others_attached_stays",
        (*CONTAINED, act("detach"), act("allow_inline"), Wait(9000), act("attach"), Wait(60), run("expire")),
    ),
    "next of a grant on the declared role": Found("next_is_not_refused", (*OWN_ROLE, Follow())),
    "next of an expiry on the declared role": Found(
        "next_is_not_refused", (*OWN_ROLE, run("expire"), Follow())
    ),
    "commands of a page with a deregistered revision": Found(
        "next_is_not_refused",
        (
            *CONTAINED,
            run("cure", at("VerifyHealth", "deny", "new"), at("PauseForHealth", "deregister_first")),
            Follow(),
        ),
    ),
    "undo deregisters what another service runs": Found(
        "what_is_in_use_is_not_deregistered",
        (run("contain"), run("cure"), act("deploy_latest", "second"), Wait(240), run("rollback", of=1)),
    ),
}
_OTHERS_STAY = {
    "role made again, then undo": Found(
        "what_others_attached_stays", (*CONTAINED, act("delete_role"), act("create_role"), run("rollback"))
    ),
    "role made again, then cure": Found(
        "what_others_attached_stays",
        (*CONTAINED, act("delete_role"), act("create_role"), Wait(120), run("cure")),
    ),
    "attached by a person just before the run does": Found(
        "what_others_attached_stays", (ALONE, run("contain", at("AttachPolicies", "attach")), run("rollback"))
    ),
    "pipeline deploys the cure's revision to another service, and the cure fails": Found(
        "what_is_in_use_is_not_deregistered",
        (
            *(run("contain"), run("contain", service="second")),
            run("cure", at("PauseForHealth", "deploy_latest", "second"), at("VerifyHealth", "deny", "new")),
        ),
    ),
    "undo of a run whose grant a later run made again": Found(
        "what_another_run_needs_stays",
        (*CONTAINED, act("detach"), Wait(60), run("contain"), run("rollback")),
    ),
    "declared no more while a person thinks": Found(
        "what_is_attached_is_declared",
        (ALONE, ASKED, run("contain", at("AskApproval", "enrol", "worker", {"policies": ["send"]}))),
    ),
    "unenrolled while a person thinks": Found(
        "what_is_attached_is_declared", (ALONE, ASKED, run("contain", at("AskApproval", "unenrol")))
    ),
    "new version while a person thinks": Found(
        "what_was_approved_is_applied", (ALONE, ASKED, run("contain", at("AskApproval", "new_version")))
    ),
}
_WORDS = {
    "detached by a person in the proof": Found(
        "again_is_true", (ALONE, run("contain", at("PauseForHealth", "detach", time=2)))
    ),
    "attached by a person in the trial": Found(
        "a_trial_is_one", (*CONTAINED, run("expire", at("PauseForHealth", "attach")))
    ),
    "role deleted, and contained again": Found(
        "next_is_not_refused", (*CONTAINED, act("delete_role", "old"), run("expire"), Follow())
    ),
    "denied explicitly after the report": Found(
        "next_breaks_nothing",
        (
            *(ALONE, act("detach", "old", "send"), run("contain"), act("detach"), act("attach")),
            *(Run("expire", overlap=True), act("deny", "old"), Follow()),
        ),
    ),
    "shared grant taken off by a person, until its end": Found(
        "a_grant_ends", (*SHARED, act("detach"), Days(1))
    ),
    "page for what a person attached in the undo": Found(
        "a_page_has_a_reason", (*CONTAINED, run("rollback", at("ConfirmBaseline", "attach")), Follow())
    ),
    "page for what a person attached before a second undo": Found(
        "a_page_has_a_reason", (*CONTAINED, run("rollback"), act("attach"), Wait(60), run("rollback"))
    ),
    "cured to a role that is no longer declared": Found(
        "cured_runs_as_declared",
        (*CONTAINED, ASKED, run("cure", at("AskApproval", "enrol", "worker", {"task_role": "old"}))),
    ),
    "said to stay, and taken off": Found(
        "what_is_said_to_stay_is_there", (*SHARED, act("detach"), Wait(90), run("expire"))
    ),
    "said to be detached again, and shared": Found(
        "again_is_true", (*SHARED, run("rollback", service="second", of=1))
    ),
    "said to be attached again, and another undo took it off": Found(
        "again_is_true", (*CONTAINED, run("expire", of=1), run("rollback"), run("rollback", of=3))
    ),
    "said to be detached again, and a person did it": Found(
        "again_is_true", (*CONTAINED, act("detach"), Wait(60), run("rollback"))
    ),
    "taken off by a person as an undo takes it off": Found(
        "again_is_true", (*CONTAINED, run("rollback", at("regrant-undo-role iam:DetachRolePolicy", "detach")))
    ),
    "taken off by a person as a cure takes it off": Found(
        "what_others_detached_stays_off",
        (
            *(*CONTAINED, act("deploy", "worker", "new"), Wait(240)),
            run("cure", at("regrant-withdraw-grants iam:DetachRolePolicy", "detach")),
            run("rollback", of=1),
        ),
    ),
}
_NOT_WATCHED = {
    "runs with an undeclared role when its grant ends": Found(
        "cured_works", (*CONTAINED, act("deploy", "worker", "back"), Wait(240), run("expire"), Follow())
    ),
}
_FOR_GOOD = {
    "keep": Found("keep_keeps", (*OWN_ROLE, run("keep"), Days(2))),
    "keep, then undo": Found("keep_keeps", (*OWN_ROLE, run("keep"), run("rollback"))),
    "keep by tag, until its end": Found("keep_keeps", (*CONTAINED, act("keep"), Days(1))),
    "keep of a shared grant": Found("keep_keeps", (*SHARED, run("keep"), run("rollback", of=1))),
    "keep undone, and a person took it off": Found(
        "kept_for_good_is_true",
        (
            *(*CONTAINED, run("keep"), run("rollback"), run("rollback", of=1)),
            *(act("detach"), Wait(120), run("cure"), run("rollback")),
        ),
    ),
    "keep undone, then undo": Found(
        "kept_for_good_is_true",
        (*CONTAINED, run("keep"), run("rollback"), run("rollback", of=1), run("rollback")),
    ),
    "keep, and a person took it off": Found(
        "kept_for_good_is_true", (*CONTAINED, run("keep"), act("detach"), Wait(120), run("rollback"))
    ),
    "keep by tag": Found("keep_keeps", (*CONTAINED, act("keep"), run("expire"))),
    "keep by tag while a cure is proved": Found(
        "keep_keeps", (*CONTAINED, run("cure", at("PauseForHealth", "keep")))
    ),
    "keep by tag when an expiry is about to take it off": Found(
        "keep_keeps",
        (
            *(*CONTAINED, act("deploy", "worker", "new"), Wait(240)),
            run("expire", at("WithdrawGrants", "keep")),
        ),
    ),
    "keep by tag, then undo": Found("keep_keeps", (*CONTAINED, act("keep"), run("rollback"))),
}

FOUND: dict[str, Found] = _BACK_OR_LEFT | _CUT_OFF | _OTHERS_STAY | _WORDS | _NOT_WATCHED | _FOR_GOOD
