"""The report of a run that could not be opened: nothing is known of it but its input."""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec.structs import replace

from regrant.model.run import CloseEvent, Failure, Finding, Report, Stage
from regrant.opening.trigger import mode_of
from regrant.ports import Account
from regrant.refusals import NOT_OPENED
from regrant.report.render import render
from regrant.report.repeated import count, look_back_unopened, with_count

# Characters of an input that a mail shows, and of one of its lines. In ASCII, one octet each: a mail's line
# may have 998 (RFC 5322, 2.1.1).
_SHOWN, _LINE = 8_000, 900


def close_unopened(failure: Failure, event: CloseEvent, aws: Account) -> Report:
    """What went wrong, with the input to start it again. An undo that could not be opened left what it was to
    undo.

    The journal has nothing of the run, so the topic has to be notified: that is tried again with this step.
    Raises AwsUnavailable, AwsRefused.
    """
    repeat = look_back_unopened(event.input, failure.name, event.execution, aws, event.now)
    given = json.dumps(event.input, ensure_ascii=True)
    nothing = "This run changed nothing. If it was to undo or to end something, that is still there."
    again = "When AWS answers again, start the state machine once more with the same input:"
    report = Report(
        incident=event.execution,
        service=None,
        mode=mode_of(event.input),
        outcome="REFUSED",
        findings=(Finding("NOT_OPENED", f"The run could not be opened: {failure.name}.", (failure.cause,)),),
        changes=(),
        health=None,
        receipt=None,
        timeline=(Stage("total", 0.0),),
        next=f"{nothing} {again}\n  {given[:2000]}",
    )
    report = with_count(report, repeat)
    if repeat.notify:
        message = "\n".join((render(replace(report, next=nothing)), "", again, *as_lines(event)))
        aws.topic.publish(f"{NOT_OPENED} {event.execution}", message)
    count(repeat, aws.journal, event.execution, event.now, sent=repeat.notify)
    return report


def as_lines(event: CloseEvent) -> Iterator[str]:
    """The input as JSON to copy, in lines that a mail may have: broken between two texts, but in none. What
    does not fit like that is in the execution."""
    given = json.dumps(event.input, ensure_ascii=True)
    pieces = [given] if len(given) <= _LINE else _pieces(event.input)
    if len(given) > _SHOWN or max(map(len, pieces)) > _LINE:
        yield "(It is too long for a mail. In the console, open this execution and choose New execution: that"
        yield "has its input. Or read it there: aws stepfunctions describe-execution, key input.)"
        return
    line = ""
    for piece in pieces:
        if line and len(line) + 1 + len(piece) > _LINE:
            yield line
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    yield line


def _pieces(given: object) -> list[str]:
    """One name with its value, or one bracket, in each."""
    return [line.strip() for line in json.dumps(given, ensure_ascii=True, indent=1).splitlines()]
