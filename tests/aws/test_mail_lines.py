"""No line of a notification is longer than a mail's may be (RFC 5322, 2.1.1), whatever a text in it holds."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regrant.audit.audit import audit_grants
from regrant.audit.found import AuditEvent
from regrant.aws.topic import SnsTopic, in_lines
from regrant.errors import AwsRefused
from regrant.model.aws import FiringAlarm
from regrant.model.catalogue import Service
from regrant.model.journal import Hold
from regrant.model.results import Refusal
from regrant.model.run import AskEvent, CloseEvent, Failure, Finding, RunState
from regrant.report.approval import ask_approval
from regrant.report.close import close_incident
from regrant.report.page import page_operator
from tests.aws.account import create_topic
from tests.unit.ended import DONE, STUCK
from tests.unit.fakes import (
    CLUSTER,
    CONTAIN,
    ENTRY,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    RECEIVE,
    SETTINGS,
    World,
    at,
    text_of,
)
from tests.unit.run import contain, sent

LINE = 998
ENDLESS = "é" * 5_000 + "\r\n\x00" + "/x" * 5_000
WORDS = "no words at all " * 2_000
HOSTILE = (ENDLESS, WORDS, "{" + '"a": "b", ' * 3_000 + "}")


def sent_by(act: Callable[[World], object]) -> list[str]:
    """The messages as SNS gets them."""
    world, sent = World(), []
    sns = create_topic()
    sns.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: sent.append(params))
    world.topic = SnsTopic(sns, SETTINGS.topic)  # type: ignore[assignment]
    act(world)
    assert sent
    return [str(params["Message"]) for params in sent]


def close(world: World, state: object, given: object = None) -> None:
    close_incident(CloseEvent(msgspec.to_builtins(state), at(300), given, "run-1"), world, sent)


def refused(text: str) -> RunState:
    found = (Finding("COMPROMISED_KEY", text, (text, text)), Finding("X", text, (text,)))
    diagnosis = replace(CONTAIN, next="REFUSE", findings=found, refusal=Refusal("X", text, text), plan=None)
    return RunState(replace(INCIDENT_OF_WORKER, trigger=text), diagnosis, error=Failure(text, text))


def asked(world: World, text: str) -> None:
    diagnosis = replace(CONTAIN, next="ASK", findings=(Finding("X", text),))
    ask_approval(AskEvent(RunState(INCIDENT_OF_WORKER, diagnosis), at(1), text[:2048]), world)


def paged(world: World, text: str) -> None:
    contain(world)
    world.journal.failure = AwsRefused(text)
    page_operator(replace(STUCK, error=Failure("AwsRefused", text)), world, at(300))


def audited(world: World, text: str) -> None:
    hold = Hold(
        RECEIVE, text, text, held_at=at(0), expires_at=at(60), why=text, expiry=text, attached_at=at(0)
    )
    world.holds.written[OLD_ROLE, RECEIVE, text] = hold
    world.roles.role = replace(world.roles.role, attached=(RECEIVE,))
    service = Service(CLUSTER, "s" * 200)
    world.catalogue.parameters[service] = text_of(ENTRY)
    world.alarms.in_alarm = (FiringAlarm(f"regrant/{service}", at(0)),)
    world.executions.failure = AwsRefused(text)
    audit_grants(AuditEvent(at(7200)), world)


def unopened(world: World, given: object) -> None:
    close(world, Failure("E" * 3_000, str(given)), given)


NOTIFICATIONS: dict[str, Callable[[World, str], None]] = {
    "a refused run, and a leaked key": lambda world, text: close(world, refused(text)),
    "a contained run": lambda world, text: close(
        world, replace(DONE, incident=replace(DONE.incident, trigger=text))
    ),
    "a question": asked,
    "a page": paged,
    "the audit": audited,
    "a run that could not be opened": unopened,
    "an event that could not be opened": lambda world, text: unopened(
        world, {"detail": {"input": text, **{f"key-{n}": [n] for n in range(400)}}}
    ),
}


@pytest.mark.parametrize("text", HOSTILE, ids=["one word", "words", "JSON"])
@pytest.mark.parametrize("kind", NOTIFICATIONS)
def test_no_line_is_longer_than_a_mails(kind: str, text: str) -> None:
    for message in sent_by(lambda world: NOTIFICATIONS[kind](world, text)):
        assert max(len(line.encode()) for line in message.split("\n")) <= LINE


@given(st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: text * 60))
def test_a_line_is_broken_at_blanks_and_nothing_of_it_is_lost(text: str) -> None:
    lines = in_lines(text)
    assert all(len(line.encode()) <= LINE for line in lines.split("\n"))
    assert "".join(lines.split()) == "".join(text.split())


def test_a_message_whose_lines_are_short_stays_as_it_is() -> None:
    text = "found\n\n  a command \n" + "x" * LINE
    assert in_lines(text) == text


def test_a_command_is_broken_between_its_words() -> None:
    words = ["aws", *(f"--option-{number}" for number in range(200))]
    assert [word for line in in_lines(" ".join(words)).split("\n") for word in line.split()] == words
