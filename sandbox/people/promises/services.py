"""Promises about services and revisions, and about pages for which there is a reason."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.people.facts import PERSON, Look, RunSeen, Seen, name_of
from sandbox.people.promises.common import OTHERS, closed, deeds_of, since


def what_is_in_use_is_not_deregistered(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, Undo: what others changed is left alone, also a revision that they have deployed."""
    look = closed(run)
    for deed in deeds_of(seen, run) if look else ():
        if deed.call == "ecs:DeregisterTaskDefinition" and look:
            revision = name_of(str(deed.about.get("taskDefinition")))
            for name, service in look.services.items():
                if service.status == "ACTIVE" and service.revision == revision:
                    yield f"{name} runs {revision}, which {deed.function} deregistered"


def a_revision_of_others_stays(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, Undo: if somebody has deployed another revision, that one stays."""
    subject = seen.run(run.subject)
    for deed in deeds_of(seen, run) if closed(run) else ():
        if deed.call != "ecs:UpdateService" or deed.function != "regrant-undo-service" or subject is None:
            continue
        deployed = [
            d
            for d in seen.deeds[subject.began : deed.number]
            if d.call == deed.call
            and d.about.get("service") == deed.about.get("service")
            and ":" in name_of(str(d.about.get("taskDefinition", "")))
        ]
        if deployed and deployed[-1].who == PERSON:
            yield f"{deed.function} deployed {deed.about} after a person's {deployed[-1].about}"


def the_service_is_back(seen: Seen, run: RunSeen) -> Iterator[str]:
    """ROLLED_BACK: the service runs what it did, and a revision of ours is deregistered if nobody runs it."""
    look, subject = closed(run), seen.run(run.subject)
    was = subject.looks.get("CaptureBaseline") if subject else None
    if look is None or was is None or run.outcome != "ROLLED_BACK":
        return
    name = str(run.report["service"])
    before, now = was.services.get(name), look.services.get(name)
    deeds = since(seen, was.deeds, look)
    others = any(d.who not in (run.name, run.subject) and d.call.startswith("ecs:") for d in deeds)
    if before and now and not others and before.revision != now.revision:
        yield f"the service ran {before.revision}, and runs {now.revision}"
    for deed in deeds:
        revision = str(deed.about.get("taskDefinition"))
        ours = deed.call == "ecs:RegisterTaskDefinition" and deed.who == run.subject
        in_use = any(service.revision == revision for service in look.services.values())
        if ours and revision in look.active and not in_use:
            yield f"{revision}, which {run.subject} registered, is ACTIVE, and no service runs it"


def a_page_has_a_reason(seen: Seen, run: RunSeen) -> Iterator[str]:
    """ROLLBACK_INCOMPLETE: the undo did not finish, so something of the run's is left."""
    look = closed(run)
    if look is None or run.outcome != "ROLLBACK_INCOMPLETE" or _is_left(seen, run, look):
        return
    last = run.findings()[-1]
    yield f"{last['code']}: {last['text'][:200]}; next: {run.report['next'][:300]}"


def _is_left(seen: Seen, run: RunSeen, look: Look) -> bool:
    """A grant, an unsettled service, a revision of its own, or something that it took off and is not back."""
    mine = [d for d in seen.deeds if d.who == run.subject]
    service = look.services.get(str(run.report["service"]))
    unsettled = service is None or service.status != "ACTIVE" or "ServiceNotSettled" in run.codes
    made = {str(d.about["taskDefinition"]) for d in mine if d.call == "ecs:RegisterTaskDefinition"}
    registered = bool(made & {*look.active})
    attached = any(there.owner == run.subject for there in look.attached)
    withdrawn = any(
        d.detaches
        and d.owner not in OTHERS
        and look.find(d.role, d.policy) is None
        and d.owner != run.subject
        for d in mine
    )
    held = any(hold.incident == run.subject for hold in look.holds)
    return unsettled or registered or attached or withdrawn or held


PROMISES = (
    the_service_is_back,
    what_is_in_use_is_not_deregistered,
    a_revision_of_others_stays,
    a_page_has_a_reason,
)
