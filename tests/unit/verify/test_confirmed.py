"""One denied call in the proof is a line of text, and whoever may write to the log has written it. It has the
fix undone if the role's own policies say no as well, or if it is denied again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused
from regrant.model.aws import name_of
from regrant.model.results import Health
from tests.unit.cure import NEW_ROLE
from tests.unit.fakes import DENIAL, OLD_ROLE, RECEIVE, SEND, SUCCESS, WORKER_ROLE
from tests.unit.verify.test_watch import Trial
from tests.unit.watch import Watch

SESSION = f"arn:aws:sts::123456789012:assumed-role/{name_of(OLD_ROLE)}/0f9c2f1d7f3f4c5e8a6b"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:prod-retainwise-predictions-queue"
BY_SCP = (
    f"User: {SESSION} is not authorized to perform: sqs:receivemessage on resource: {QUEUE} with an explicit"
    " deny in a service control policy"
)
UNDECLARED = (
    f"User: {SESSION} is not authorized to perform: iam:CreateUser on resource: * because no identity-based"
    " policy allows the iam:CreateUser action"
)
SENDING = DENIAL.replace("receivemessage", "sendmessage")


def until_verdict(watch: Watch, *messages: str) -> Health:
    """The service works; the messages are logged before the first looks, one each."""
    left = list(messages)
    for _ in range(30):
        watch.log(SUCCESS, "new-2")
        if left:
            watch.log(left.pop(0))
        if watch.look().verdict != "PENDING":
            return watch.health
    raise AssertionError("no verdict")


@pytest.mark.parametrize("message", [DENIAL, BY_SCP, UNDECLARED], ids=["granted", "SCP", "undeclared"])
@pytest.mark.parametrize("good", [0, 1, 2])
def test_a_call_that_was_denied_once_and_may_be_made_undoes_no_good_fix(message: str, good: int) -> None:
    watch = Watch()
    began = watch.seconds
    health = until_verdict(watch, *[SUCCESS] * good, message)
    assert health.verdict == "HEALTHY" and health.evidence[-1].startswith("Denied once, at ")
    # Without it, 60 s.
    assert watch.seconds - began <= 160


def test_the_proof_says_that_it_waits_for_another_one() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.log(DENIAL)
    assert ", which nothing confirms yet: " in watch.look().evidence[0]
    watch.look()
    assert watch.look().evidence == ("The denied call may be repeated.",)


@pytest.mark.parametrize("message", [DENIAL, BY_SCP, UNDECLARED], ids=["granted", "SCP", "undeclared"])
def test_what_is_denied_again_undoes_the_fix_at_the_second_look(message: str) -> None:
    """A layer that the role's policies do not show says no, and says it again."""
    watch = Watch()
    began = watch.seconds
    assert until_verdict(watch, message, message).verdict == "UNHEALTHY"
    assert watch.seconds - began == 40


def test_one_line_that_two_looks_see_is_not_two() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.log(DENIAL)
    denials = [last.denials for _ in range(2) if (last := watch.look().last)]
    assert (denials, watch.health.verdict) == ([1, 1], "PENDING")


def test_two_lines_of_one_look_are_not_two_looks() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.log(DENIAL)
    watch.world.logs.write(watch.seconds + 9, DENIAL, "new-2")
    assert watch.look().verdict == "PENDING"


def test_what_was_denied_while_the_grant_spread_confirms_nothing_after_that() -> None:
    watch = Watch()
    watch.seconds = 80
    watch.log(SUCCESS)
    watch.log(DENIAL)
    watch.look()
    watch.seconds = 130
    assert until_verdict(watch, DENIAL).verdict == "HEALTHY"


def test_a_call_that_the_catalogue_declares_and_the_role_lacks_is_confirmed_by_that() -> None:
    watch = Watch()
    entry = watch.state.incident.entry
    assert entry is not None and SEND not in watch.world.roles.role.attached
    with_both = replace(entry, policies=(RECEIVE, SEND))
    watch.run.state = replace(watch.state, incident=replace(watch.state.incident, entry=with_both))
    assert until_verdict(watch, SENDING).verdict == "UNHEALTHY"
    assert watch.seconds == 170


def test_policies_that_may_not_be_read_confirm_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()

    def refused(*_: object, **__: object) -> None:
        raise AwsRefused("GetRole", "AccessDenied")

    watch.world.roles.role = replace(watch.world.roles.role, inline={})
    monkeypatch.setattr(watch.world.roles, "permissions", refused)
    assert until_verdict(watch, DENIAL).verdict == "HEALTHY"


OF_DECLARED = DENIAL.replace(name_of(OLD_ROLE), name_of(WORKER_ROLE))


@pytest.mark.parametrize("samples", [1, 3, 20])
@pytest.mark.parametrize("looks", range(0, 28, 3))
def test_a_trial_is_not_ended_by_one_call_that_the_role_may_make(looks: int, samples: int) -> None:
    """Whenever it is logged: there is time for the proof behind it."""
    trial = Trial(samples)
    health = trial.look()
    for _ in range(looks):
        if health.verdict == "PENDING":
            health = trial.look()
    if health.verdict == "PENDING":
        trial.world.logs.write(trial.seconds + 2, OF_DECLARED)
        health = trial.watch()
    assert health.verdict == "HEALTHY"


def test_a_trial_is_ended_by_one_call_that_the_service_could_make_before() -> None:
    """Only the role that the cure has replaced may send."""
    trial = Trial()
    trial.look()
    trial.world.roles.role = replace(trial.world.roles.role, attached=(RECEIVE, SEND))
    trial.world.roles.others[WORKER_ROLE] = replace(NEW_ROLE, attached=(RECEIVE,))
    assert trial.look(SENDING.replace(name_of(OLD_ROLE), name_of(WORKER_ROLE))).verdict == "UNHEALTHY"
