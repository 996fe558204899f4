"""Does the service work again? Positive evidence and no new denial, N samples in a row.

A sample counts only the tasks of our deployment (by task id in the log stream's name), so that an old
task's last denial is not held against the fix, and an old task's success does not prove it. A task that is
denied and exits counts as much as one that goes on: what a stopped task logged after the rollout counts too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import UNSET

from regrant.clock import seconds_between
from regrant.model.aws import name_of
from regrant.model.catalogue import CatalogueEntry
from regrant.model.results import BaselineMark, Grant, Health, Sample, Verdict

# Authorization lag is seconds as a rule and answers may flap during it (IAM user guide, Troubleshooting).
PROPAGATION = 120.0
# A denied call has to be confirmed: by the role's policies, or by another one, of a later time and seen in a
# later look. Seconds in which that one has to come; else the first was a single one, or only words.
REPEATS = 60.0


class Objection(NamedTuple):
    """Why a sample is not good; `final` if waiting cannot make it better, `inconclusive` if it may be good
    all the same, which the next sample shows. `denied`: new tasks may not be."""

    text: str
    final: bool = False
    inconclusive: bool = False
    denied: bool = False


def health_of(
    sample: Sample,
    deployed: tuple[Verdict, tuple[str, ...]],
    previous: Health | None,
    baseline: BaselineMark,
    grant: Grant,
    entry: CatalogueEntry,
    withdrawn_at: str | None = None,
) -> Health:
    """HEALTHY, UNHEALTHY (cannot get better by waiting) or PENDING, with the reasons.

    withdrawn_at: since when the service works without what it was granted (Watch.after_withdrawal).
    """
    before = previous.last.backlog if previous and previous.last else baseline.backlog
    dlq_growth = _dlq_growth(sample, previous)
    objections = (
        *_of_deployment(sample, deployed),
        *_of_grant(sample, grant),
        *_of_log(sample, grant, withdrawn_at is not None, previous),
        *_of_withdrawal(sample, withdrawn_at),
        *_of_backlog(sample, before),
        *_of_dead_letters(sample, previous, dlq_growth),
    )
    troubles = tuple(objection for objection in objections if not objection.inconclusive)
    proof = None if troubles else _proof(sample, previous)
    unproved = Objection("The success line has not been logged yet.")
    denied = tuple(objection for objection in objections if objection.denied)
    bad = troubles or (objections if proof else (*denied, unproved))
    streak = _streak(bad, previous)
    verdict: Verdict = "HEALTHY" if streak >= entry.health.samples else "PENDING"
    final = [objection for objection in bad if objection.final]
    if final:
        verdict = "UNHEALTHY"
    return Health(
        verdict=verdict,
        samples=(previous.samples if previous else 0) + 1,
        streak=streak,
        needed=entry.health.samples,
        at=sample.at,
        proof=proof,
        last=sample,
        most_dead_letters=_most_dead_letters(sample, previous),
        dlq_growth=dlq_growth,
        troubled_at=_troubled_at(sample, troubles, previous),
        replace_tasks=bool(final) and all(objection.denied for objection in final),
        evidence=(
            *(
                [objection.text for objection in bad]
                or [f"{min(streak, entry.health.samples)} of {entry.health.samples} good samples."]
            ),
            *_going_on(sample),
            *(_denied_once(sample, previous) if verdict == "HEALTHY" else ()),
        ),
        denied_at=_unconfirmed_at(sample, grant, withdrawn_at is not None, previous) or UNSET,
    )


def _going_on(sample: Sample) -> Iterator[str]:
    """What is denied and stays so: no objection, since the findings or the enrolment say it."""
    if sample.expected:
        actions = ", ".join(sample.expected_actions)
        lines = f"{sample.expected} lines since {sample.since}"
        yield f"Goes on being denied, as expected ({lines}): {actions}."


def _denied_once(sample: Sample, previous: Health | None) -> Iterator[str]:
    if previous and previous.denied_at is not UNSET and not sample.denials:
        yield f"Denied once, at {previous.denied_at}, and not again; the role's policies do not say no."


def _streak(bad: tuple[Objection, ...], previous: Health | None) -> int:
    """Good samples in a row; one that is inconclusive ends no row and counts for none."""
    before = previous.streak if previous else 0
    if not bad:
        return before + 1
    return before if all(objection.inconclusive for objection in bad) else 0


def _of_deployment(sample: Sample, deployed: tuple[Verdict, tuple[str, ...]]) -> Iterator[Objection]:
    """The deployment was completed when the samples began; it may have been replaced, or lost tasks since."""
    verdict, evidence = deployed
    if verdict != "HEALTHY":
        yield Objection(" ".join(evidence), final=verdict == "UNHEALTHY")
    if sample.tasks == 0:
        yield Objection("No task of the deployment is running.")


def _of_grant(sample: Sample, grant: Grant) -> Iterator[Objection]:
    """Whatever works now, works without it: the report must not say that the grant is there."""
    if sample.detached:
        names = ", ".join(map(name_of, sample.detached))
        # IAM's reads flap while a change spreads, like its answers.
        yield Objection(
            f"{names} is not attached to {name_of(grant.role)} any more.",
            final=seconds_between(grant.at, sample.at) > PROPAGATION,
        )


def _proof(sample: Sample, previous: Health | None) -> str | None:
    """A success line that is later than the last trouble: what worked before that proves nothing now."""
    troubled_at = previous.troubled_at if previous else None
    if sample.last_success and (troubled_at is None or _is_later(sample.succeeded_at, troubled_at)):
        return sample.last_success
    return previous.proof if previous and previous.streak else None


def _troubled_at(sample: Sample, troubles: tuple[Objection, ...], previous: Health | None) -> str | None:
    """A denial is as old as its line, which two samples may see; any other trouble is there now."""
    if not all(trouble.denied for trouble in troubles):
        return sample.at
    denied_at = sample.denied_at if sample.denials else None
    return denied_at or (previous.troubled_at if previous else None)


def _of_log(sample: Sample, grant: Grant, strict: bool, previous: Health | None) -> Iterator[Objection]:
    """A denial while the grant spreads is no harm; one after that ends the run, once it is confirmed."""
    if sample.denials:
        what = f"{sample.denials} denied calls since {sample.since}"
        text = f"{what}: {sample.last_denial}"
        if is_excused(sample.denied_at, grant, strict):
            yield Objection(text, denied=True)
        elif sample.confirmed is True or _is_again(sample, previous):
            yield Objection(text, final=True, denied=True)
        else:
            alone = f"{what}, which nothing confirms yet: {sample.last_denial}"
            yield Objection(alone, inconclusive=True, denied=True)
    elif _may_repeat(sample, previous):
        yield Objection("The denied call may be repeated.", inconclusive=True)
    if not sample.complete:
        yield Objection("There were more log lines than are read, so a denial may be among the rest.")


def is_excused(denied_at: str | None, grant: Grant, strict: bool) -> bool:
    """What was denied while the grant spreads; strict: no grant does."""
    return not strict and (denied_at is None or seconds_between(grant.at, denied_at) <= PROPAGATION)


def _is_again(sample: Sample, previous: Health | None) -> bool:
    """An earlier look has seen an earlier one."""
    before = previous.denied_at if previous else UNSET
    return before is not UNSET and _is_later(sample.denied_at, before)


def _may_repeat(sample: Sample, previous: Health | None) -> bool:
    before = previous.denied_at if previous else UNSET
    return before is not UNSET and seconds_between(before, sample.at) < REPEATS


def _unconfirmed_at(sample: Sample, grant: Grant, strict: bool, previous: Health | None) -> str | None:
    """When the last denied call was made that had to be confirmed."""
    if sample.denials and sample.denied_at and not is_excused(sample.denied_at, grant, strict):
        return sample.denied_at
    return (previous.denied_at or None) if previous else None


def _of_withdrawal(sample: Sample, withdrawn_at: str | None) -> Iterator[Objection]:
    """What was taken off may go on to be allowed while that spreads, so what works then proves nothing.

    Nor does what works with it, where somebody has attached it again.
    """
    if withdrawn_at is not None and sample.again:
        names = ", ".join(map(name_of, sample.again))
        spread = seconds_between(withdrawn_at, sample.at) > PROPAGATION
        yield Objection(f"{names} is attached again, by somebody else's doing.", final=spread)
    if withdrawn_at is not None and seconds_between(withdrawn_at, sample.since) < PROPAGATION:
        yield Objection("IAM may still allow what was detached.", inconclusive=True)


def _of_backlog(sample: Sample, before: int | None) -> Iterator[Objection]:
    """A queue that fills although tasks log successes: they hang, or cannot finish what they take.

    It is fine if it drains: fewer wait than in the sample before, or no more than the tasks took up in this
    one. Producers may outpace a service that works, so it is also fine while most of the tasks go on to log
    successes: the permission is the role's, and what one task may do they all may. Where all that waited in
    the sample before may have been taken, what waits has only just come, and the sample is inconclusive.
    """
    draining = sample.backlog is None or sample.backlog <= max(sample.successes, (before or 0) - 1)
    if not draining and sample.working * 2 <= sample.tasks:
        if sample.successes >= (before or 0):
            yield Objection(
                f"{sample.backlog} messages have arrived since the sample before.", inconclusive=True
            )
        else:
            yield Objection(f"The queue is not draining: {sample.backlog} messages wait.")


def _of_dead_letters(sample: Sample, previous: Health | None, dlq_growth: int) -> Iterator[Objection]:
    """More dead letters than in any sample before. Once may be SQS's approximate count, or a message whose
    receives the old tasks had used up; twice in a row is the new tasks' doing."""
    if dlq_growth:
        assert sample.dead_letters is not None and previous is not None
        more = sample.dead_letters - (previous.most_dead_letters or 0)
        yield Objection(f"The dead-letter queue grew by {more}.", final=dlq_growth >= 2)


def _dlq_growth(sample: Sample, previous: Health | None) -> int:
    """In how many samples in a row, up to this one, the dead-letter queue grew."""
    most = previous.most_dead_letters if previous else None
    if previous is None or most is None or sample.dead_letters is None or sample.dead_letters <= most:
        return 0
    return previous.dlq_growth + 1


def _most_dead_letters(sample: Sample, previous: Health | None) -> int | None:
    known = previous.most_dead_letters if previous else None
    return max((n for n in (known, sample.dead_letters) if n is not None), default=None)


def _is_later(moment: str | None, than: str) -> bool:
    return moment is not None and seconds_between(than, moment) > 0
