"""The account that the functions run in: the one place where the adapters get their clients and names.

An adapter is made, and its module imported, at its first use, so that no function pays for what it does not
need. A handler names what it needs in any case, and that is made while Lambda starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from regrant.aws.clients import client
from regrant.model.catalogue import Service, parameter_name
from regrant.settings import Settings

if TYPE_CHECKING:
    from regrant.aws.alarms import CloudWatchAlarms
    from regrant.aws.allowed import ParameterLists
    from regrant.aws.catalogue import ParameterCatalogue
    from regrant.aws.executions import StateMachineExecutions
    from regrant.aws.handover.builds import CodeBuildBuilds
    from regrant.aws.handover.lock_table import DynamoLockTable
    from regrant.aws.handover.state_bucket import S3StateBucket
    from regrant.aws.handover.work import S3Work
    from regrant.aws.logs import CloudWatchLogs
    from regrant.aws.queues import SqsQueues
    from regrant.aws.revisions import EcsRevisions
    from regrant.aws.roles import IamRoles
    from regrant.aws.s3.states import S3States
    from regrant.aws.schedules import EventBridgeSchedules
    from regrant.aws.services import EcsServices
    from regrant.aws.table.approvals import DynamoApprovals
    from regrant.aws.table.handovers import DynamoHandovers
    from regrant.aws.table.holds import DynamoHolds
    from regrant.aws.table.journal import DynamoJournal
    from regrant.aws.table.leases import DynamoLeases
    from regrant.aws.table.notices import DynamoNotices
    from regrant.aws.topic import SnsTopic
    from regrant.aws.trail import CloudTrail
    from regrant.aws.waiting import WaitingRuns


class Account:
    """Implements ports.Account and regrant.handover.ports.HandoverAccount. Threads may share it: at worst an
    adapter is made twice over one client."""

    def __init__(self, uses: Iterable[str] = ()) -> None:
        for part in uses:
            getattr(self, part)

    @cached_property
    def settings(self) -> Settings:
        return Settings(os.environ)

    @cached_property
    def allowed(self) -> ParameterLists:
        from regrant.aws.allowed import ParameterLists

        return ParameterLists(client("ssm"), self.settings.allowed_prefix, self._entry_name)

    def _entry_name(self, service: Service) -> str:
        # Not every function that reads lists reads entries.
        return parameter_name(self.settings.catalogue_prefix, service)

    @cached_property
    def catalogue(self) -> ParameterCatalogue:
        from regrant.aws.catalogue import ParameterCatalogue

        return ParameterCatalogue(client("ssm"), self.settings.catalogue_prefix)

    @cached_property
    def services(self) -> EcsServices:
        from regrant.aws.services import EcsServices

        return EcsServices(client("ecs"), lambda: client("ecs", retry=False))

    @cached_property
    def revisions(self) -> EcsRevisions:
        from regrant.aws.revisions import EcsRevisions

        return EcsRevisions(client("ecs"), lambda: client("ecs", retry=False))

    @cached_property
    def roles(self) -> IamRoles:
        from regrant.aws.roles import IamRoles

        return IamRoles(client("iam"), lambda: client("iam", retry=False))

    @cached_property
    def logs(self) -> CloudWatchLogs:
        from regrant.aws.logs import CloudWatchLogs

        return CloudWatchLogs(client("logs"))

    @cached_property
    def queues(self) -> SqsQueues:
        from regrant.aws.queues import SqsQueues

        return SqsQueues(client("sqs"))

    @cached_property
    def terraform_states(self) -> S3States:
        from regrant.aws.s3.states import S3States

        return S3States(client("s3", retry=False))

    @cached_property
    def journal(self) -> DynamoJournal:
        from regrant.aws.table.journal import DynamoJournal

        return DynamoJournal(client("dynamodb"), self.settings.journal_table)

    @cached_property
    def holds(self) -> DynamoHolds:
        from regrant.aws.table.holds import DynamoHolds

        return DynamoHolds(client("dynamodb"), self.settings.journal_table)

    @cached_property
    def leases(self) -> DynamoLeases:
        from regrant.aws.table.leases import DynamoLeases

        return DynamoLeases(client("dynamodb"), self.settings.journal_table)

    @cached_property
    def executions(self) -> StateMachineExecutions:
        from regrant.aws.executions import StateMachineExecutions

        return StateMachineExecutions(client("stepfunctions"), self.settings.state_machine)

    @cached_property
    def alarms(self) -> CloudWatchAlarms:
        from regrant.aws.alarms import CloudWatchAlarms

        return CloudWatchAlarms(client("cloudwatch"), client("events"))

    @cached_property
    def notices(self) -> DynamoNotices:
        from regrant.aws.table.notices import DynamoNotices

        return DynamoNotices(client("dynamodb"), self.settings.journal_table)

    @cached_property
    def approvals(self) -> DynamoApprovals:
        from regrant.aws.table.approvals import DynamoApprovals

        return DynamoApprovals(client("dynamodb"), self.settings.journal_table)

    @cached_property
    def trail(self) -> CloudTrail:
        from regrant.aws.trail import CloudTrail

        return CloudTrail(client("cloudtrail"), self.settings.state_machine)

    @cached_property
    def waiting(self) -> WaitingRuns:
        from regrant.aws.waiting import WaitingRuns

        return WaitingRuns(client("stepfunctions", retry=False))

    @cached_property
    def topic(self) -> SnsTopic:
        from regrant.aws.topic import SnsTopic

        return SnsTopic(client("sns"), self.settings.topic)

    @cached_property
    def schedules(self) -> EventBridgeSchedules:
        from regrant.aws.schedules import EventBridgeSchedules

        return EventBridgeSchedules(client("scheduler"), self.settings)

    # Of handovers

    @cached_property
    def kept(self) -> DynamoHandovers:
        from regrant.aws.table.handovers import DynamoHandovers

        return DynamoHandovers(client("dynamodb"), self.settings.journal_table)

    @cached_property
    def state_bucket(self) -> S3StateBucket:
        from regrant.aws.handover.state_bucket import S3StateBucket

        region, account = self.settings.place
        return S3StateBucket(client("s3"), self.settings.state_bucket, region, account)

    @cached_property
    def lock_table(self) -> DynamoLockTable:
        from regrant.aws.handover.lock_table import DynamoLockTable

        return DynamoLockTable(client("dynamodb"), self.settings.state_lock_table or None)

    @cached_property
    def builds(self) -> CodeBuildBuilds:
        from regrant.aws.handover.builds import CodeBuildBuilds

        return CodeBuildBuilds(client("codebuild"), self.settings.build_project, self.settings.work_bucket)

    @cached_property
    def work(self) -> S3Work:
        from regrant.aws.handover.work import S3Work

        return S3Work(client("s3"), self.settings.work_bucket)

    @cached_property
    def state_place(self) -> Mapping[str, object]:
        settings = self.settings
        table = settings.state_lock_table or None
        place = {"bucket": settings.state_bucket, "key": settings.state_key}
        return {**place, "table": table, "lockfile": table is None}
