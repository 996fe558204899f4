"""Play a story in the account, and write down what an outsider sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.people.acts.perform import perform
from sandbox.people.facts import Followed, Look, Rest, RunSeen, Seen
from sandbox.people.following import follow
from sandbox.people.ledger import Ledger
from sandbox.people.looks import look, services
from sandbox.people.moments import Moments
from sandbox.people.place import SERVICES, Place
from sandbox.people.story import OF_A_RUN, Act, Days, Follow, Run, Step, Story, Wait, write

_ALARM = Path(__file__).resolve().parents[2] / "events" / "alarm.json"
_ENDS = ("Done", "NothingChanged", "RolledBack", "RollbackIncomplete")
_LEISURE = 60
"""How many times longer workloads rest while days pass."""
_AWAKE = 420
"""Seconds around the end of a grant in which they do not."""
_SETTLE = 240
"""Seconds after which whoever followed a report's `next` sees what came of it."""


class Player:
    """Plays one story; `seen` is what was seen so far."""

    def __init__(self, place: Place) -> None:
        self._place, self._clock = place, place.account.clock
        self._log: list[str] = []
        self._ledger = Ledger(place.account, self._note)
        self._moments = Moments(place.account, self._act, self._comes, self._enters)
        self._looks: dict[str, dict[str, Look]] = {}
        self._began: dict[str, int] = {}
        self._runs: dict[str, RunSeen] = {}
        self._changing: list[str] = []
        """The runs that changed a service, a role or a record, in the order in which they ended."""
        self._rests: list[Rest] = []
        self._followed: list[Followed] = []
        self._messages: list[tuple[str, str]] = []
        self._subjects = len(place.subjects())
        self._past = {each.name for each in place.ended()}
        self._closed: set[str] = set()
        self._moved: set[str] = set()
        """The runs after whose closing read others acted."""

    def play(self, story: Story) -> None:
        for number, step in enumerate(story):
            self._note(f"{number}: {write((step,))[1:-1]}")
            self._take(step)
            overlaps = isinstance(step, Run) and step.overlap
            if not overlaps:
                self._rested(days=isinstance(step, Days))
        self._moments.expect(())
        self._place.rest()
        self._rested()

    @property
    def seen(self) -> Seen:
        return Seen(
            deeds=tuple(self._ledger.deeds),
            runs=tuple(self._runs.values()),
            rests=tuple(self._rests),
            followed=tuple(self._followed),
            messages=tuple(self._messages),
            log=tuple(self._log),
        )

    def _take(self, step: Step) -> None:
        match step:
            case Act():
                self._act(step)
                self._clock.run_for(5)
            case Wait(seconds):
                self._clock.run_for(seconds)
            case Days(days):
                self._pass_days(days)
            case Follow():
                self._follow()
            case Run():
                self._run(step)

    def _act(self, act: Act) -> None:
        refused = perform(self._place, act)
        self._moved |= self._closed
        self._note(f"  {act.name} {json.dumps(act.given)}{f' ({refused})' if refused else ''}")

    def _run(self, step: Run) -> None:
        given = self._input(step)
        if given is None:
            return
        self._moments.expect(step.moments)
        answering = self._answering(step.answer)
        self._place.start(given)
        if step.overlap:
            self._clock.run_for(40)
            return
        self._place.rest()
        self._moments.expect(())
        answering()

    def _input(self, step: Run) -> dict[str, Any] | None:
        """None where it is about an earlier run, and there is none."""
        service = SERVICES[step.service]
        if step.mode == "alarm":
            event: dict[str, Any] = json.loads(_ALARM.read_text())
            event["detail"]["alarmName"] = f"regrant/{service}"
            event["detail"]["state"]["timestamp"] = f"{self._clock.now():%Y-%m-%dT%H:%M:%S.000+0000}"
            return event
        if step.mode not in OF_A_RUN:
            return {"mode": step.mode, "service": service}
        if not self._changing:
            return None
        return {"mode": step.mode, "incident": self._changing[step.of % len(self._changing)]}

    def _answering(self, word: str) -> Callable[[], object]:
        """Whoever is asked from now on says that word; how to stop it."""
        if not word:
            return lambda: None
        heard = len(self._place.questions())

        def say() -> None:
            nonlocal heard
            if len(self._place.questions()) > heard:
                heard = len(self._place.questions())
                self._act(Act("answer", (word,)))

        return self._clock.every(40, say).cancel

    def _pass_days(self, days: int) -> None:
        account, place = self._place.account, self._place

        def look_up() -> None:
            """Where a grant is about to end, or a run goes on, the workloads have to show that they work."""
            account.idle_factor = 1 if place.running() or place.ends_within(_AWAKE) else _LEISURE

        looking = self._clock.every(120, look_up)
        for _ in range(days * 24):
            self._clock.run_for(3600)
            self._hear()
        looking.cancel()
        account.idle_factor = 1
        self._clock.run_for(600)
        self._place.rest()

    def _follow(self) -> None:
        if not self._runs:
            return
        last = list(self._runs.values())[-1]
        text = str(last.report.get("next", ""))
        before, at = services(self._place), self._clock.now().isoformat()
        started, refused = follow(self._place, text)
        self._clock.run_for(_SETTLE)
        after = services(self._place)
        self._followed.append(
            Followed(
                last.name, text, tuple(started), tuple(refused), before, after, at, last.name in self._moved
            )
        )

    # Seeing

    def _comes(self, run: str, state: str) -> None:
        self._began.setdefault(run, len(self._ledger.deeds))
        if state == "AskApproval":  # what is asked about has been read before
            self._look(run, state)

    def _enters(self, run: str, state: str) -> None:
        if state in ("CaptureBaseline", "WithdrawGrants"):
            self._look(run, state)
        elif state in _ENDS:
            self._closed.add(run)
            self._look(run, "closed")

    def _look(self, run: str, when: str) -> None:
        self._looks.setdefault(run, {})[when] = look(self._place, self._ledger)

    def _rested(self, days: bool = False) -> None:
        """Read what has ended, and if nothing goes on, look at the account."""
        self._hear()
        for each in self._place.ended():
            if each.name not in self._runs and each.name not in self._past:
                seen = self._see(each)
                self._runs[each.name] = seen
                changed = seen.report.get("changes") or any(d.who == each.name for d in self._ledger.deeds)
                if (changed or seen.outcome == "CURED") and seen.mode != "rollback":
                    self._changing.append(each.name)
                self._note(
                    f"  ended {each.name}: {seen.mode} {seen.outcome or seen.error} {list(seen.codes)}"
                )
        if not self._place.running():
            now = look(self._place, self._ledger)
            self._rests.append(Rest(now, self._place.audit(), days))

    def _see(self, execution: Any) -> RunSeen:
        given = execution.execution_input
        given = json.loads(given) if isinstance(given, str) else dict(given)
        report = _report(execution)
        detail = given.get("detail")
        ended = detail.get("name") if isinstance(detail, dict) else None
        return RunSeen(
            name=execution.name,
            given=given,
            subject=str(given.get("incident") or ended or execution.name),
            began=self._began.get(execution.name, 0),
            status=str(execution.exec_status.value),
            error=execution.error,
            report=report,
            page=self._place.page_of(execution.name),
            looks=self._looks.get(execution.name, {}),
        )

    def _hear(self) -> None:
        """Write down when messages of the audit came."""
        subjects = self._place.subjects()
        new, self._subjects = subjects[self._subjects :], len(subjects)
        at = self._clock.now().isoformat()
        self._messages += [(at, subject) for subject in new if subject.startswith("AUDIT")]

    def _note(self, text: str) -> None:
        self._log.append(f"{self._clock.now():%d %H:%M:%S} {text}")


def _report(execution: Any) -> dict[str, Any]:
    text = execution.output if execution.exec_status.value == "SUCCEEDED" else execution.cause
    try:
        report = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}
