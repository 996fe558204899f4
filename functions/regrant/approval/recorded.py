"""Whether the yes that the run goes by is the one that the stack's own function has taken."""

from __future__ import annotations

from regrant.approval.plan import plan_digest
from regrant.errors import AnswerNotRecorded
from regrant.model.run import RunState
from regrant.ports import Account


def demand_recorded_yes(state: RunState, aws: Account) -> None:
    """Raises AnswerNotRecorded unless the run's newest question is of this plan, and a listed person who did
    not start the run said yes to it. Whoever has the token and may call SendTaskSuccess gets as far as here.

    Raises AwsUnavailable, AwsRefused.
    """
    question = aws.approvals.last(state.incident.id)
    if question is None or question.answer is None or not question.answer.approved:
        raise AnswerNotRecorded("The yes did not come through the stack's function for answers.")
    if question.plan != plan_digest(state):
        raise AnswerNotRecorded("The yes in the journal is to another plan of this run.")
