"""The level check: alarms, ended runs and undone runs as they are now, whatever events there were."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.audit.alarms import alarms_to_look_at, judge_alarm, switched_off
from regrant.audit.found import Neglect, Neglected
from regrant.audit.holders import read_holders, readable_only
from regrant.audit.pages import page_to_send
from regrant.audit.start import Due, notice_of, subject_of
from regrant.audit.undos import undos_to_start
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.catalogue import Service
from regrant.model.results import Refusal
from regrant.opening.catalogue import read_entry
from regrant.opening.muted import muted
from regrant.parallel import each
from regrant.ports import Account
from regrant.report.notify import send
from regrant.report.render import wrap, wrap_log

# In one message, which may have 256 KB (API reference, SNS Publish).
_MOST = 50
_ORDER: tuple[Neglect, ...] = (
    "undo without its page",
    "run without its undo",
    "role that cannot be read",
    "refused list entry",
    "alarm without a run",
)
_FOR_A_PERSON: tuple[Neglect, ...] = (
    "run without its undo",
    "role that cannot be read",
    "refused list entry",
)


def look_at_level(aws: Account, now: str, unreadable: list[AwsRefused] | None = None) -> tuple[Due, ...]:
    """What is to be made good, the most urgent first. Reads only.

    unreadable: where it is put that the journal has something of a service that cannot be read; the others
    are looked at. Raises AwsUnavailable, AwsRefused.
    """
    allowed = aws.allowed.read(now, "roles", "policies", "clusters")
    entries = aws.catalogue.entries()
    services = tuple(sorted(entries, key=str))
    holders = read_holders(aws, map(str, services), sorted(allowed.roles), now, unreadable)
    firing = aws.alarms.firing(aws.settings.alarm_prefix)
    alarms = alarms_to_look_at(firing, aws.settings.alarm_prefix, entries, now)
    starts = not alarms or aws.alarms.start_runs(aws.settings.alarm_rule)

    def judge(service: Service) -> Due | None:
        if not starts:  # whoever has disabled the rule wants no automatic runs
            return switched_off(service, alarms[service], aws.settings.alarm_rule)
        entry = read_entry(entries[service], service, allowed, aws.settings.catalogue_prefix)
        return judge_alarm(
            service,
            alarms[service],
            holders.get(str(service)),
            aws.journal.last_outcome(service),
            aws.journal.refusals(service),
            None if isinstance(entry, Refusal) else entry,
            aws.notices.last(muted(alarms[service].name)),
            now,
        )

    found = (
        *each(lambda service: readable_only(lambda: page_to_send(service, aws, now), unreadable), services),
        *undos_to_start(holders, aws, now),
        *each(
            lambda service: readable_only(lambda: judge(service), unreadable), tuple(sorted(alarms, key=str))
        ),
    )
    return tuple(due for due in found if due)


def make_good(dues: tuple[Due, ...], aws: Account) -> tuple[Due, ...]:
    """Start the runs and send the pages: the same, with what has become of each."""
    return tuple(replace(due, found=_make_good(due, aws)) for due in dues)


def _make_good(due: Due, aws: Account) -> Neglected:
    try:
        if due.page:
            send(due.page, aws.topic)
            # Now, so that what fails later does not let it be sent again.
            aws.notices.note(subject_of(due.found), notice_of(due.found))
        if due.run:
            # As EventBridge delivers an event: with the account and Region that it is of.
            region, account = aws.settings.place
            aws.executions.start(due.run, {**due.given, "account": account, "region": region})
    except (AwsRefused, AwsUnavailable) as error:
        return replace(due.found, error=str(error))
    return replace(due.found, execution=due.run)


def notify_of_level(made: tuple[Due, ...], aws: Account) -> None:
    """Notify the topic of what was started, could not be, or is to be undone by a person: once of each. An
    alarm that waits has had its refusal notified, and a page that was sent is a notification itself."""
    found = [due.found for due in made if due.found.error or not (due.page or due.known)]
    new = [one for one in found if _concerns_a_person(one) and _is_new(one, aws)]
    if new:
        aws.topic.publish(_subject(new), _message(new))
    for one in new:  # in this order: what could not be sent is sent by the next try
        aws.notices.note(subject_of(one), notice_of(one))


def _concerns_a_person(found: Neglected) -> bool:
    return not found.waits or found.state in _FOR_A_PERSON


def _is_new(found: Neglected, aws: Account) -> bool:
    return aws.notices.last(subject_of(found)) != notice_of(found)


def _subject(found: list[Neglected]) -> str:
    counts = {state: sum(one.state == state for one in found) for state in _ORDER}
    return "AUDIT " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _message(found: list[Neglected]) -> str:
    texts = ["\n".join(_lines(one)) for one in found[:_MOST]]
    if more := found[_MOST:]:
        texts.append(f"And {len(more)} more: make audit lists them all.")
    return "\n\n".join(("What no event has started or ended, and what the audit does about it:", *texts))


def _lines(found: Neglected) -> list[str]:
    done = f"run {found.execution} was started; read its report."
    if found.waits:
        done = "the audit starts nothing for it; it is a person's to undo."
    if found.state == "role that cannot be read":
        done = "its grants are not audited. If it was deleted or has another path, correct ManagedRoleArns."
    if found.state == "refused list entry":
        done = "a run whose plan needs it is refused, until the list or what it names is corrected."
    if found.error:
        done = f"that could not be made good, and is tried again in an hour: {found.error}"
    return [
        *wrap(f"{found.state}: {found.subject}, for {found.service}, since {found.since}"),
        *wrap_log(found.why, "  why: ", "  "),
        *wrap_log(done, "  next: ", "  "),
    ]
