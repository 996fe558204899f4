"""A state's bucket and lock table, behind a door that counts what they are asked and can do harm there."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from regrant_terraform import config
from regrant_terraform.run import run
from regrant_terraform.running.cli import Terraform
from sandbox.account import LocalAccount

KEY = "prod/terraform.tfstate"
WHO = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
HCL = """
variable "n" { default = 1 }
variable "slow" { default = 0 }
resource "terraform_data" "first" { input = var.n }
resource "terraform_data" "second" {
  input            = terraform_data.first.output
  triggers_replace = var.n
  provisioner "local-exec" { command = "sleep ${var.slow}" }
}
"""
Harm = Callable[[], object]


class Backend(AbstractContextManager["Backend"]):
    """A new bucket and a new table. `harm` is done at the call of that number, which is not answered."""

    def __init__(self, account: LocalAccount) -> None:
        name = uuid.uuid4().hex[:12]
        self.bucket, self.table = f"state-{name}", f"locks-{name}"
        self.s3: Any = account.client("s3")
        self.dynamodb: Any = account.client("dynamodb")
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb.create_table(
            TableName=self.table,
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.calls: list[str] = []
        self.harm: tuple[int, Harm] | None = None
        self._to = urlsplit(str(account.endpoint_url)).netloc
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def body(self) -> bytes:
        found: bytes = self.s3.get_object(Bucket=self.bucket, Key=KEY)["Body"].read()
        return found

    def write_digest(self, digest: str) -> None:
        row = {"LockID": {"S": f"{self.bucket}/{KEY}-md5"}, "Digest": {"S": digest}}
        self.dynamodb.put_item(TableName=self.table, Item=row)

    @property
    def state(self) -> Mapping[str, Any]:
        with suppress(self.s3.exceptions.NoSuchKey):
            found: Mapping[str, Any] = json.loads(
                self.s3.get_object(Bucket=self.bucket, Key=KEY)["Body"].read()
            )
            return found
        return {}

    @property
    def locked(self) -> list[str]:
        """What is left of locks: the object beside the state, and the table's row."""
        objects = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        rows = self.dynamodb.scan(TableName=self.table)["Items"]
        kept = [row["LockID"]["S"] for row in rows if not row["LockID"]["S"].endswith("-md5")]
        return [each["Key"] for each in objects if each["Key"].endswith(".tflock")] + kept

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        backend = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                number = backend._count(self.command, self.path, self.headers)
                said = backend._ask(self.command, self.path, dict(self.headers), body)
                if backend._harmed(number):
                    self.close_connection = True
                    return
                self.send_response_only(said.status, said.reason)
                for name, value in said.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                answer = said.read()
                length = said.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do  # noqa: N815

            def log_message(self, *args: object) -> None: ...

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

        return Door

    def _count(self, method: str, path: str, headers: Any) -> int:
        target = str(headers.get("X-Amz-Target", "")).rpartition(".")[2]
        with self._lock:
            self.calls.append(
                target or f"{method} {urlsplit(path).path.removeprefix(f'/{self.bucket}').strip('/')}"
            )
            return len(self.calls) - 1

    def _harmed(self, number: int) -> bool:
        if self.harm is None or self.harm[0] != number:
            return False
        self.harm[1]()
        return True

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._to)
        connection.request(method, path, body, headers)
        return connection.getresponse()


class Checkout:
    """HCL in a folder, and the runner's actions in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], backend: Backend) -> None:
        self.folder, self.backend = folder, backend
        folder.mkdir()
        (folder / "main.tf").write_text(HCL)
        self.environment = {
            **environment,
            "AWS_ENDPOINT_URL": backend.url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.lockfile = False
        self.terraform = self._new({})

    def _new(self, variables: Mapping[str, object]) -> Terraform:
        said = {f"TF_VAR_{name}": str(value) for name, value in variables.items()}
        return Terraform(self.folder, {**self.environment, **said})

    def kill(self) -> None:
        """As a machine that goes down: nobody is asked, and the whole group ends."""
        process = self.terraform._process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)

    def act(self, action: str, variables: Mapping[str, object] | None = None, **more: Any) -> dict[str, Any]:
        raw = {**self.raw, **more}
        self.terraform = self._new(variables or {})
        return run(action, lambda: config.parse(raw, action), self.terraform)[0]

    @property
    def raw(self) -> dict[str, Any]:
        lock = {"lockfile": True} if self.lockfile else {"table": self.backend.table}
        return {
            "directory": str(self.folder),
            "region": "us-east-1",
            "state": {"bucket": self.backend.bucket, "key": KEY, **lock},
            "roles": {"aws_ecs_task_definition.x": "arn:aws:iam::123456789012:role/x"},
            "services": {"aws_ecs_service.x": "aws_ecs_task_definition.x"},
            "plan_file": "role.tfplan",
            "lock_seconds": 0,
        }

    def surely(
        self, action: str, variables: Mapping[str, object] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Terraform sends a call again whose answer it has not seen. If that was the lock's, it finds its
        own lock and stops. What held it has ended then, so the lock is healed and the action tried again."""
        while True:
            began = now()
            done = self.act(action, variables, **more)
            own = done.get("lock", {}).get("created", "")[:19].replace(" ", "T") >= began.isoformat()[:19]
            if done.get("error") != "LOCKED" or not own:
                return done
            assert self.heal(began, now())["status"] == "DONE"
            if any(each["command"] == "apply" and each["rc"] == 0 for each in done["commands"]):
                # It was the lock of the plan after the apply.
                return {**done, "status": "DONE" if self.surely("drift", variables)["empty"] else "FAILED"}

    def heal(self, began: datetime, ended: datetime, who: str = WHO) -> dict[str, Any]:
        times = {"began": began.isoformat()[:19], "ended": (ended + timedelta(seconds=1)).isoformat()[:19]}
        return self.act("heal", ended_run={"who": who, **times})


def now() -> datetime:
    return datetime.now(UTC)
