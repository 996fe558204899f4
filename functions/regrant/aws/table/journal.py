"""The journal in DynamoDB: one partition an incident, one item an entry.

incident (partition key)  entry (sort key)              other attributes
<execution name>          baseline                      body
                          change#<kind>#<value>         body (not yet: planned only); planned: by digest
                          outcome                       body (null: reopened)
service#<service>         last                          body: how its last changing run ended
                          refusals                      body: why automatic runs were refused; written
service#-                 refusals                      the same of runs that found no service
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from regrant.aws.clients import UNMET, aws_errors, condition_met, unmet
from regrant.aws.table.holds import hold_item, hold_put
from regrant.aws.table.leases import lease_put, release_put
from regrant.aws.table.readable import readable
from regrant.errors import AwsRefused, NotOfThisRun
from regrant.model.aws import Baseline
from regrant.model.catalogue import Service
from regrant.model.journal import Change, Hold, LastOutcome, Lease, Refusals
from regrant.model.run import Report
from regrant.model.undone import held_back, undone_attachments, within_a_day

# In which order a run makes its changes, for those of one moment.
_ORDER = (
    *("bucket", "table", "build", "cure"),
    *("attach", "register", "redeploy", "withdraw", "restore", "reattach"),
)
_REOPENED = "null"
# No service's name: that has a slash.
_NO_SERVICE = "-"
_NEW = {"ConditionExpression": "attribute_not_exists(entry)"}
_NOT_BEGUN = {"ConditionExpression": "attribute_not_exists(body)"}


class Record(msgspec.Struct, frozen=True):
    """What the journal holds of one incident."""

    baseline: Baseline | None = None
    changes: tuple[Change, ...] = ()
    closed: bool = False
    plans: frozenset[str] = frozenset()
    not_begun: tuple[str, ...] = ()


class DynamoJournal:
    """Implements stored.Journal. Each method raises AwsUnavailable, AwsRefused (denied, no such table)."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def keep_baseline(self, incident: str, baseline: Baseline) -> Baseline:
        """PutItem on condition that there is none, else GetItem: the baseline that stands."""
        if self._put_new(incident, "baseline", baseline):
            return baseline
        kept = self._get(incident, "baseline")
        assert kept is not None  # the condition failed because it is there
        return msgspec.json.decode(kept, type=Baseline)

    def replace_baseline(self, incident: str, baseline: Baseline) -> None:
        """PutItem, over the one that stands."""
        self._put(incident, "baseline", baseline)

    def keep_baseline_with_lease(
        self,
        incident: str,
        baseline: Baseline,
        lease: Lease,
        untouched_since: str,
        planned: tuple[Change, ...] = (),
        plan: str = "",
    ) -> bool:
        """TransactWriteItems: the baseline, on condition that there is none, the lease, on condition that
        nobody has it and nobody took or released it since, and an entry for each planned change; whether all
        were written, else none was."""
        entry = {"Item": _item(incident, "baseline", baseline)} | _NEW
        entries = [_planned_put(incident, change, plan) for change in planned]
        return condition_met(lambda: self._transact(entry, lease_put(lease, untouched_since), *entries))

    def plan(self, incident: str, planned: tuple[Change, ...], plan: str) -> None:
        """PutItem of each, on condition that it is not intended yet."""
        for change in planned:
            put = partial(self._put_item, _planned_put(incident, change, plan))
            condition_met(put)

    def intend(self, incident: str, change: Change, plan: str | None = None) -> bool:
        """PutItem on condition that it is new, or with that digest planned: whether it was."""
        if plan is None:
            return self._put_new(incident, _entry(change), change)
        return _over_planned(lambda: self._put_item(_intent_put(incident, change, plan)), incident, plan)

    def intend_grant(self, incident: str, change: Change, hold: Hold, plan: str) -> bool:
        """TransactWriteItems: the intent, on condition that it is planned with that digest and new, and the
        hold, or neither; whether it was new."""
        puts = _intent_put(incident, change, plan), {"Item": hold_item(change.target, hold)}
        return _over_planned(lambda: self._transact(*puts), incident, plan)

    def record(self, incident: str, change: Change, plan: str | None = None) -> None:
        """PutItem, over the intent."""
        self._put_item({"Item": _change_item(incident, change, plan)})

    def record_and_release(
        self,
        incident: str,
        changes: tuple[Change, ...],
        holds: tuple[Hold, ...],
        lease: Lease,
        now: str,
        plan: str | None = None,
    ) -> None:
        """TransactWriteItems: each change over its intent, each hold on the lease's role as attached, and the
        lease's end; only the changes if another run has taken the lease over, or a hold was changed since."""
        role = lease.resource.removeprefix("role/")
        records = [{"Item": _change_item(incident, change, plan)} for change in changes]
        attached = [hold_put(role, replace(hold, attached_at=now), hold) for hold in holds]
        release = release_put(lease.resource, lease.owner, now)
        if not condition_met(lambda: self._transact(*records, *attached, release)) and records:
            self._transact(*records)

    def load(self, incident: str) -> Record:
        """Query, consistent: everything of the incident, changes in the order of their intents."""
        with aws_errors():
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="incident = :incident",
                ExpressionAttributeValues={":incident": {"S": incident}},
                ConsistentRead=True,
            )
            found = [item for page in pages for item in page["Items"]]
        with readable(incident):
            return _record_of(found)

    def close(
        self,
        incident: str,
        report: Report,
        at: str,
        lease: str | None = None,
        subject: str | None = None,
        drop: tuple[str, ...] = (),
    ) -> None:
        """TransactWriteItems: the report, how the service's last changing run ended, the end of the lease on
        `lease` (a resource), and of the plans of those entries; each of the last two separately, or not, if
        another run has taken the lease over, or a plan was begun. Of an undo, before that GetItem of how the
        last one ended."""
        items = [_item(incident, "outcome", report)]
        last = self._last(incident, report, at, subject or incident) if report.service else None
        if last:
            items.append(_item(f"service#{report.service}", "last", last))
        writes = [{"Item": item} for item in items]
        dropped = [{"Item": _key(subject or incident, each)} | _NOT_BEGUN for each in drop]
        release = [release_put(lease, incident, at)] if lease else []
        if condition_met(lambda: self._transact(*writes, *dropped, *release)):
            return
        self._transact(*writes)
        for put in dropped:
            condition_met(partial(self._put_item, put))

    def _last(self, incident: str, report: Report, at: str, subject: str) -> LastOutcome | None:
        last = LastOutcome(incident, report.outcome, at, "" if subject == incident else subject)
        if report.outcome in ("CONTAINED", "CURED"):
            return last
        if not report.outcome.startswith("ROLL"):
            return None
        was = self._last_outcome(str(report.service))
        same = was is not None and subject == (was.subject or was.incident)
        unfinished = same and was is not None and was.outcome == "ROLLBACK_INCOMPLETE"
        # An undo that is started again renews nothing, nor does one that changed nothing.
        if report.outcome == "ROLLBACK_INCOMPLETE":
            return last if report.changes and not unfinished else None
        if any(change.kind == "attach" for change in report.changes):
            before = held_back(was, at)
            undone = before | within_a_day(undone_attachments(report.changes, own=subject == incident), at)
            ends_it = same and was is not None and was.outcome != "ROLLED_BACK"
            return replace(last, undone=undone) if undone != before or ends_it else None
        # A cure or an expiry that was undone leaves the service contained, as it was; and that is news only
        # where the last run had left it half undone.
        return replace(last, outcome="CONTAINED") if unfinished else None

    def reopen(self, incident: str) -> None:
        """PutItem in place of the report: the run goes on, and writes another one when it ends."""
        self._put(incident, "outcome", None)

    def last_outcome(self, service: Service) -> LastOutcome | None:
        """GetItem, consistent; None if no run has changed the service."""
        return self._last_outcome(str(service))

    def _last_outcome(self, service: str) -> LastOutcome | None:
        body = self._get(f"service#{service}", "last")
        with readable(service):
            return msgspec.json.decode(body, type=LastOutcome) if body else None

    def report(self, incident: str) -> Report | None:
        """GetItem, consistent; None of an incident that was not closed, or was reopened."""
        body = self._get(incident, "outcome")
        with readable(incident):
            return msgspec.json.decode(body, type=Report | None) if body else None

    def refusals(self, service: Service | None) -> Refusals:
        """GetItem, consistent."""
        body = self._get(f"service#{service or _NO_SERVICE}", "refusals")
        with readable(str(service)):
            return msgspec.json.decode(body, type=Refusals) if body else Refusals()

    def keep_refusals(self, service: Service | None, refusals: Refusals) -> bool:
        """PutItem of the next version, on condition that this one stands: whether it did."""
        kept = replace(refusals, version=refusals.version + 1)
        item: dict[str, Any] = _item(f"service#{service or _NO_SERVICE}", "refusals", kept)

        def write() -> None:
            with aws_errors():
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=item | {"written": {"N": str(kept.version)}},
                    ConditionExpression="attribute_not_exists(entry) OR written = :was",
                    ExpressionAttributeValues={":was": {"N": str(refusals.version)}},
                )

        return condition_met(write)

    def _put_new(self, incident: str, entry: str, body: object) -> bool:
        return condition_met(lambda: self._put(incident, entry, body, **_NEW))

    def _get(self, incident: str, entry: str) -> str | None:
        with aws_errors():
            key = _key(incident, entry)
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return str(item["body"]["S"]) if item else None

    def _put(self, incident: str, entry: str, body: object, **condition: str) -> None:
        self._put_item({"Item": _item(incident, entry, body)} | condition)

    def _put_item(self, put: Mapping[str, Any]) -> None:
        with aws_errors():
            self._dynamodb.put_item(TableName=self._table, **put)

    def _transact(self, *puts: dict[str, Any]) -> None:
        with aws_errors():
            self._dynamodb.transact_write_items(
                TransactItems=[{"Put": put | {"TableName": self._table}} for put in puts]
            )


def _record_of(found: list[Any]) -> Record:
    items = {item["entry"]["S"]: item["body"]["S"] for item in found if "body" in item}
    changes = [msgspec.json.decode(b, type=Change) for e, b in items.items() if e.startswith("change#")]
    baseline = items.get("baseline")
    return Record(
        baseline=msgspec.json.decode(baseline, type=Baseline) if baseline else None,
        changes=tuple(sorted(changes, key=lambda change: (change.intended_at, _ORDER.index(change.kind)))),
        closed=items.get("outcome", _REOPENED) != _REOPENED,
        plans=frozenset(item["planned"]["S"] for item in found if "planned" in item),
        not_begun=tuple(i["entry"]["S"] for i in found if "planned" in i and "body" not in i),
    )


def _item(incident: str, entry: str, body: object) -> dict[str, dict[str, str]]:
    return {**_key(incident, entry), "body": {"S": msgspec.json.encode(body).decode()}}


def _key(incident: str, entry: str) -> dict[str, dict[str, str]]:
    return {"incident": {"S": incident}, "entry": {"S": entry}}


def _change_item(incident: str, change: Change, plan: str | None) -> dict[str, dict[str, str]]:
    return _item(incident, _entry(change), change) | ({"planned": {"S": plan}} if plan else {})


def _planned_put(incident: str, change: Change, plan: str) -> dict[str, Any]:
    """An entry that has no body yet, unless it has one."""
    return {"Item": _key(incident, _entry(change)) | {"planned": {"S": plan}}} | _NOT_BEGUN


def _intent_put(incident: str, change: Change, plan: str) -> dict[str, Any]:
    """The intent over the entry that was planned with that digest."""
    return {
        "Item": _change_item(incident, change, plan),
        "ConditionExpression": "planned = :plan AND attribute_not_exists(body)",
        "ExpressionAttributeValues": {":plan": {"S": plan}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _over_planned(write: Callable[[], None], incident: str, plan: str) -> bool:
    """Whether the intent was written; False if it was there. Raises NotOfThisRun if it is not so planned."""
    try:
        write()
    except AwsRefused as refused:
        if refused.code != UNMET:
            raise
        stands = next((item for item in unmet(refused) if item is not None), {})
        if stands.get("planned") != {"S": plan}:
            raise NotOfThisRun(f"The journal has no such plan of {incident}.") from refused
        return False
    return True


def _entry(change: Change) -> str:
    # Another value than a policy changes from what was there to what is ours, so it is not part of the key.
    value = change.value if change.kind in ("attach", "withdraw", "reattach") else change.target
    return f"change#{change.kind}#{value}"
