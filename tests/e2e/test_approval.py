"""What others change while a person thinks: the yes is to the texts that were shown, and to no others."""

from __future__ import annotations

import json
from itertools import pairwise

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.happenings import answering, ask_first, say
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident

MESSAGES = ["sqs:*Message*", "sqs:GetQueue*", "sqs:PurgeQueue"]
WIDER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": MESSAGES, "Resource": "*"}]}


def questions(world: World) -> list[str]:
    return [text for subject, text in world.messages() if subject.startswith("APPROVAL NEEDED")]


def hash_of(thing: str, question: str) -> str:
    """It is on the line below that of its policy, or of the entry."""
    return next(below.strip() for line, below in pairwise(question.splitlines()) if thing in line)


def replace_policy(world: World) -> None:
    """As Terraform does: the policy is deleted and created. The ARN is the same, and it is v1 again."""
    iam = world.account.client("iam")
    iam.detach_role_policy(RoleName=retainwise.WORKER_ROLE, PolicyArn=POLICY)
    iam.delete_policy(PolicyArn=POLICY)
    text = json.dumps(WIDER)
    iam.create_policy(PolicyName=retainwise.RECEIVE, Path="/retainwise/", PolicyDocument=text)
    iam.attach_role_policy(RoleName=retainwise.WORKER_ROLE, PolicyArn=POLICY)


def test_a_policy_that_is_replaced_while_a_person_thinks_is_asked_about_again() -> None:
    def replace_and_say_yes(world: World) -> None:
        replace_policy(world)
        say("Yes")(world)

    with incident() as world:
        ask_first(world)
        ended = world.run(on_state=answering(replace_and_say_yes, say("No")))
        first, second = questions(world)
        assert hash_of(f"policy {POLICY}", first) != hash_of(f"policy {POLICY}", second)
        assert "version v1" in first and "version v1" in second
        assert (ended.outcome, world.mutations()) == ("REFUSED", [])


def test_a_cure_to_a_role_that_the_catalogue_has_stopped_declaring_is_not_carried_out() -> None:
    def redeclare_and_say_yes(world: World) -> None:
        world.change_entry(task_role=OLD_ROLE)
        say("Yes")(world)

    with incident() as world:
        assert world.run().outcome == "CONTAINED"
        ask_first(world)
        before = world.mutations()
        ended = world.run({"service": WORKER, "mode": "cure"}, on_state=answering(redeclare_and_say_yes))
        assert ended.path.count("Diagnose") == 2
        assert ended.outcome == "REFUSED" and {"NEW_ROLE_UNFIT", "GRANT_LEFT"} <= {*ended.codes}
        assert world.mutations() == before
