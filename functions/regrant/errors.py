"""Failures. A handler raises one of these; the class name is the error name that Retry and Catch list.

Lambda reports an exception by its bare class name (aws-facts 6.3), so these names are public API:
statemachine/runbook.asl.yaml spells them, and a contract test ties the two together.

    RegrantError
    ├── AwsUnavailable        retried: throttled, 5xx, time-out, connection lost
    ├── AwsRefused            not retried: AWS said no (access denied, limit exceeded, not found)
    ├── AccountMoved          retried: the role is not what the plan was made from; then diagnosed again
    ├── AnswerNotRecorded     not retried: a yes that did not come through the stack's function for answers
    ├── AttachmentNotVisible  retried: IAM does not show yet what we attached
    ├── ClockAhead            not retried: the event's time has not come
    ├── BaselineDiffers       retried: role or service is not (yet) as it was before us
    ├── GrantWithdrawn        not retried: another run undid this one while it was going on
    ├── NotOfThisRun          not retried: the event is not what the run that it names has sent
    ├── RevisionDiffers       not retried: the copy that the cure registered is no exact copy
    ├── RoleGone              not retried: the role was deleted during the run
    ├── ServiceGone           not retried: the service was deleted during the run
    ├── ServiceChanged        not retried: somebody else deployed during the run
    ├── ServiceNotSettled     not retried: undone, but the service did not settle
    ├── StateUnfit            not retried: somebody's bucket or table is none that a state may lie in
    └── SdkTooOld             not retried: the runtime's botocore lacks a call, so no function can start

What a check concludes is not a failure: verdicts and refusals are returned (regrant.model.results).
"""

UNREADABLE = "Unreadable"
"""The code of an AwsRefused for what nobody can decode: a journal item that was written by hand."""


class RegrantError(Exception):
    """Base of every failure that Regrant raises on purpose."""


class AwsUnavailable(RegrantError):
    """AWS could not answer now: throttling, 5xx, time-out or a lost connection. Safe to try again."""


class AwsRefused(RegrantError):
    """AWS answered no. Trying again changes nothing; `code` is AWS's error code."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AccountMoved(RegrantError):
    """A role, the revision, a policy's text or the catalogue entry differs from what the plan was made from
    (or the read is stale)."""


class AnswerNotRecorded(RegrantError):
    """The run was woken with a yes that the journal does not have, or has for another plan."""


class AttachmentNotVisible(RegrantError):
    """A policy that we attached is not listed on the role yet (IAM is eventually consistent)."""


class BaselineDiffers(RegrantError):
    """After the rollback, role or service still differs from the baseline. The message is the diff."""


class ClockAhead(RegrantError):
    """The event names a time that the function's own clock has not come to: somebody made it up."""


class GrantWithdrawn(RegrantError):
    """Another run undid this incident's grant before the incident was closed."""


class NotOfThisRun(RegrantError):
    """The step's event does not come from the run that it names, or that run has not planned this: somebody
    invoked the function. Or the journal is that of an earlier run of the same name. Nothing was done."""


class RevisionDiffers(RegrantError):
    """What the cure registered differs from the revision in use in more than its role. The message is the
    diff."""


class RoleGone(RegrantError):
    """The role was there when the run began and is not any more."""


class ServiceGone(RegrantError):
    """The service was there when the run began and is not any more."""


class ServiceChanged(RegrantError):
    """Somebody else deployed between the baseline and our redeploy; ours would undo theirs."""


class ServiceNotSettled(RegrantError):
    """Everything of ours is undone, but the service has not settled within the loop's bound."""


class StateUnfit(RegrantError):
    """The bucket or the lock table that the stack names is there, was not made by a handover, and is not safe
    to keep a state in. The message says why. Nothing of it was changed."""


class SdkTooOld(RegrantError):
    """The Lambda runtime's botocore lacks a call that the adapters make. The message names both."""
