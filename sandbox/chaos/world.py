"""The account that the stories are played in: the seed's, with the stack in it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moto.sns.models import sns_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from sandbox.account import LocalAccount
from sandbox.aws.ecs.tasks import Timing
from sandbox.aws.lambda_environment import standing_still
from sandbox.scenarios import approver
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account
from sandbox.scenarios.snapshot import snapshot

WORKER = f"{retainwise.CLUSTER}/{retainwise.WORKER}"
BACKEND = f"{retainwise.CLUSTER}/{retainwise.BACKEND}"
SECOND = f"{retainwise.CLUSTER}/retainwise-worker-two"
"""A second service of the worker's task definition, so that the two need the same grant."""

# All of it is played again for each fault, so ECS is quicker here than it is; who waits for what is the same.
QUICK = Timing(
    first_start=2, pending=1, running=3, healthy=6, stopping=2, steady=3, restart=3, demoted=15, empty=10
)

SOON = 45.0
"""When CloudTrail knows who started a run; on AWS that takes minutes. Whoever approves tries until then."""
REST = 5.0
"""Simulated seconds without a run after which nothing more comes, unless a function goes on alone."""


class World:
    def __init__(self, account: LocalAccount, outputs: Mapping[str, str]) -> None:
        self.account = account
        self.machine = outputs["RunbookArn"]
        self.journal = outputs["JournalTable"]
        self.origin = snapshot(account)
        self.before = self.origin
        self.reported = 0
        """How many reports came before those that count."""
        self.first = ""
        """The name of the first run."""
        self.granted_by: dict[str, str] = {}
        """The run that contained a service, for those that are cured since."""
        self._answered, self._answering = 0, False
        self.straggling_until = 0.0
        """When what a stopped run left has ended."""

    def start(self, given: Mapping[str, Any]) -> str:
        """Start a run as the console does; its name."""
        started = self._sfn.start_execution(stateMachineArn=self.machine, input=json.dumps(given))
        name = str(started["executionArn"].rpartition(":")[2])
        self.first = self.first or name
        return name

    def rehearse(self) -> None:
        """Play it once and undo it, so that whatever is made once by a process is there in its children."""
        run = self.start({"service": WORKER})
        self.rest()
        if self.last_outcome(WORKER) == "CONTAINED":
            self.start({"mode": "rollback", "incident": run})
            self.rest()
        assert snapshot(self.account) == self.before
        self.remember()
        self.first = ""
        self.rehearsed()

    def remember(self) -> None:
        """From here on, changes and reports count."""
        self.before, self.reported = snapshot(self.account), len(self.reports())

    @staticmethod
    def rehearsed() -> None:
        """What is here now stays, so that nobody looks through it for garbage."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def ask_first(self) -> None:
        """From here on the worker's enrolment asks for approval, and somebody gives it soon after."""
        ssm: Any = self.account.client("ssm")
        name = f"/regrant/services/{WORKER}"
        entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"]) | {"approval": "required"}
        ssm.put_parameter(Name=name, Value=json.dumps(entry), Overwrite=True)
        self.origin = snapshot(self.account)
        self.remember()
        self.account.clock.every(30, self._approve)

    def _approve(self) -> None:
        """Somebody runs the command for yes of the newest question, until it is answered."""
        if not self._answering and self._sent("APPROVAL NEEDED")[self._answered :]:
            self._answering = True
            self.account.clock.spawn(self._answer, "the approver")  # the function may have to sleep

    def _answer(self) -> None:
        asked = self._sent("APPROVAL NEEDED")
        reply = approver.answer(self.account, asked[-1], "Yes")
        # The run may have been stopped by now, and then nobody hears it.
        self._answered = self._answered if reply.status >= 500 else len(asked)
        self._answering = False

    def rest(self) -> None:
        """Let time pass until every run has ended, and those that their ends started, too."""
        clock = self.account.clock
        quiet = clock.elapsed()

        def resting() -> bool:
            nonlocal quiet
            if self.running() or clock.elapsed() < self.straggling_until:
                quiet = clock.elapsed()
            return clock.elapsed() - quiet > REST

        looking = clock.every(2, lambda: None)
        if not clock.run(until=resting, limit=8 * 3600):
            raise TimeoutError("A run did not end in 8 hours.")
        looking.cancel()

    def running(self) -> list[str]:
        """The ARNs of the runs that go on."""
        return [each.exec_arn for each in self._executions() if each.exec_status == "RUNNING"]

    def stop(self) -> None:
        """Stop every run."""
        for arn in self.running():
            self._sfn.stop_execution(executionArn=arn)

    def straggle(self, seconds: float) -> None:
        """In a function: stand still for as long."""
        self.straggling_until = self.account.clock.elapsed() + seconds
        with standing_still():
            self.account.clock.sleep(seconds)

    def reports(self) -> list[tuple[str, dict[str, Any]]]:
        """(error or status, report) of each run, in the order in which they ended."""
        ended = [each for each in self._executions() if each.stop_date]
        ended.sort(key=lambda each: each.stop_date)
        return [(str(each.error or each.exec_status.value), _report_of(each)) for each in ended]

    def last_outcome(self, service: str) -> str | None:
        """What the journal says of the last run that changed the service."""
        return self._last(service).get("outcome")

    def give_back(self, service: str) -> None:
        """Nobody has the lease on the service any more."""
        key = {"incident": {"S": f"lease#service/{service}"}, "entry": {"S": "lease"}}
        dynamodb: Any = self.account.client("dynamodb")
        dynamodb.delete_item(TableName=self.journal, Key=key)

    def incident(self, service: str) -> str:
        """That run's incident."""
        return self._last(service)["incident"]

    def pages(self) -> list[str]:
        """The notifications of undos that did not finish."""
        return self._sent("ROLLBACK_INCOMPLETE", "NOT_OPENED")

    def works(self, service: str) -> bool:
        """Whether the service has done its work in the last two minutes, as its own log says."""
        text = "Successfully published" if service == BACKEND else "Successfully received"
        name = retainwise.BACKEND if service == BACKEND else retainwise.WORKER
        logs: Any = self.account.client("logs")
        since = int(self.account.clock.now().timestamp() * 1000) - 120_000
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/ecs/{name}", startTime=since, filterPattern=f'"{text}"'
        )
        return any(page["events"] for page in pages)

    def declared(self, service: str) -> list[str]:
        """The policies (ARNs) of the service's catalogue entry."""
        ssm: Any = self.account.client("ssm")
        text = ssm.get_parameter(Name=f"/regrant/services/{service}")["Parameter"]["Value"]
        return list(json.loads(text)["policies"])

    def declared_role(self, service: str) -> str:
        """The role (ARN) of the service's catalogue entry."""
        ssm: Any = self.account.client("ssm")
        text = ssm.get_parameter(Name=f"/regrant/services/{service}")["Parameter"]["Value"]
        return str(json.loads(text)["task_role"])

    def definition(self, revision: str) -> dict[str, Any]:
        """What was registered as the revision (ARN)."""
        ecs: Any = self.account.client("ecs")
        answer = ecs.describe_task_definition(taskDefinition=revision, include=["TAGS"])
        output = ("taskDefinitionArn", "revision", "registeredAt", "registeredBy")
        shape = {key: value for key, value in answer["taskDefinition"].items() if key not in output}
        return shape | {"tags": answer.get("tags", [])}

    def move_to_declared_role(self, service: str) -> None:
        """Somebody deploys a revision with it, as Terraform does."""
        ecs: Any = self.account.client("ecs")
        cluster, _, name = service.partition("/")
        shape = ecs.describe_services(cluster=cluster, services=[name])["services"][0]
        given = self.definition(shape["taskDefinition"]) | {"taskRoleArn": self.declared_role(service)}
        output = ("status", "requiresAttributes", "compatibilities", *(["tags"] if not given["tags"] else []))
        new = ecs.register_task_definition(**{k: v for k, v in given.items() if k not in output})
        revision = new["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(cluster=cluster, service=name, taskDefinition=revision)
        self.account.clock.run_for(200)

    def granted(self, now: Mapping[str, Any]) -> dict[str, set[str]]:
        """The policies that roles have more than before, by role."""
        roles = now["roles"]
        more = {r: {*roles[r]["attached"]} - {*self.origin["roles"][r]["attached"]} for r in roles}
        return {role: policies for role, policies in more.items() if policies}

    def _sent(self, *subjects: str) -> list[str]:
        """The messages to the topic whose subject begins with one of those."""
        topics = sns_backends[self.account.account_id][self.account.region].topics.values()
        notices = [notice for topic in topics for notice in topic.sent_notifications]
        return [str(notice[1]) for notice in notices if str(notice[2]).startswith(subjects)]

    def _last(self, service: str) -> dict[str, str]:
        key = {"incident": {"S": f"service#{service}"}, "entry": {"S": "last"}}
        dynamodb: Any = self.account.client("dynamodb")
        item = dynamodb.get_item(TableName=self.journal, Key=key).get("Item")
        return dict(json.loads(item["body"]["S"])) if item else {}

    def _executions(self) -> list[Any]:
        # Asked at each step of the clock, so without a request.
        machines = stepfunctions_parser_backends[self.account.account_id][self.account.region].state_machines
        return [each for machine in machines if machine.arn == self.machine for each in machine.executions]

    @property
    def _sfn(self) -> Any:
        return self.account.client("stepfunctions")


def _report_of(execution: Any) -> dict[str, Any]:
    """The report, or what else a failed run's cause holds as JSON."""
    if execution.exec_status == "SUCCEEDED":
        return dict(execution.output)
    try:
        report = json.loads(execution.cause or "{}")
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


@contextmanager
def world(
    variant: str, seed: int, *, uploads: int = 60, sending: bool = True, second: bool = False
) -> Iterator[World]:
    """The seed's account with the incident, before any run.

    uploads: seconds between two of the backend's. sending: whether it may still send, so that there is
    something to receive.
    """
    with LocalAccount(seed=seed, timing=QUICK) as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        account.trail.delay = SOON
        retainwise_account.create(
            account, variant=variant, upload_seconds=uploads, poll_seconds=20, redeploy="always"
        )
        if sending:
            policy = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
            iam: Any = account.client("iam")
            iam.attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=policy)
        if second:
            _second_worker(account)
        # The stories start their runs themselves.
        events: Any = account.client("events")
        events.disable_rule(Name=outputs["AlarmRuleName"])
        account.clock.run_for(60)
        try:
            yield World(account, outputs)
        finally:
            gc.enable()
            gc.unfreeze()


def _second_worker(account: LocalAccount) -> None:
    client: Any = account.client("ecs")
    name = SECOND.rpartition("/")[2]
    first = client.describe_services(cluster=retainwise.CLUSTER, services=[retainwise.WORKER])["services"][0]
    copied = ("taskDefinition", "desiredCount", "deploymentConfiguration", "networkConfiguration")
    with account.settled():
        client.create_service(
            cluster=retainwise.CLUSTER,
            serviceName=name,
            launchType="FARGATE",
            **{key: first[key] for key in copied if key in first},
        )
    ssm: Any = account.client("ssm")
    prefix = "/regrant/services/"
    entry = ssm.get_parameter(Name=f"{prefix}{WORKER}")["Parameter"]["Value"]
    ssm.put_parameter(Name=f"{prefix}{SECOND}", Value=entry, Type="String")
