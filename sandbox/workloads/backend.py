"""RetainWise's backend: takes an uploaded CSV file of customers, stores it, and queues a prediction for the
worker.

`python -m sandbox.workloads.backend`. Environment: UPLOADS_BUCKET, PREDICTIONS_TABLE, QUEUE_URL,
UPLOAD_SECONDS.
"""

from __future__ import annotations

import json
import random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.workloads.churn import write_customers
from sandbox.workloads.runtime import Runtime, run_as_process, started

AT_ONCE = 10
"""Predictions that one turn publishes at most, oldest first."""


class Backend:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.s3 = runtime.client("s3")
        self.sqs = runtime.client("sqs")
        self.table = runtime.client("dynamodb")
        self.bucket = runtime.environment["UPLOADS_BUCKET"]
        self.table_name = runtime.environment["PREDICTIONS_TABLE"]
        self.queue_url = runtime.environment["QUEUE_URL"]
        self.unpublished: list[str] = []
        self.recalled = False
        self.uploads = 0

    def recall(self) -> None:
        """Predictions that an earlier task stored and could not publish."""
        found = self.table.scan(
            TableName=self.table_name,
            FilterExpression="published = :no",
            ExpressionAttributeValues={":no": {"BOOL": False}},
        )
        self.unpublished = sorted(item["prediction_id"]["S"] for item in found["Items"])
        self.recalled = True

    def take_upload(self) -> None:
        """What a customer does in the browser: one file, one prediction."""
        self.uploads += 1
        prediction = f"prediction-{self.runtime.name[:8]}-{self.uploads:04}"
        self.s3.put_object(
            Bucket=self.bucket, Key=upload_key(prediction), Body=customers(prediction).encode()
        )
        self.table.put_item(
            TableName=self.table_name,
            Item={
                "prediction_id": {"S": prediction},
                "status": {"S": "QUEUED"},
                "published": {"BOOL": False},
            },
        )
        self.unpublished.append(prediction)

    def publish(self) -> None:
        if not self.recalled:
            self.recall()
        for prediction in self.unpublished[:AT_ONCE]:
            body = json.dumps(
                {"prediction_id": prediction, "bucket": self.bucket, "key": upload_key(prediction)}
            )
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)
            self.runtime.log(f"Successfully published to SQS: {prediction}")
            self.unpublished.remove(prediction)
            self.table.update_item(
                TableName=self.table_name,
                Key={"prediction_id": {"S": prediction}},
                UpdateExpression="SET published = :yes",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )


def upload_key(prediction: str) -> str:
    return f"uploads/{prediction}.csv"


def customers(seed: str) -> str:
    """A small file, the same for the same prediction."""
    chance = random.Random(seed)
    rows: list[dict[str, Any]] = [
        {
            "customer_id": f"C{chance.randrange(10_000, 99_999)}",
            "tenure_months": chance.randrange(1, 72),
            "monthly_charges": chance.randrange(20, 120),
            "support_tickets": chance.randrange(0, 6),
            "logins_last_30_days": chance.randrange(0, 30),
        }
        for _ in range(20)
    ]
    return write_customers(rows)


def run(runtime: Runtime) -> int:
    if (code := started(runtime, "backend")) is not None:
        return code
    backend = Backend(runtime)
    interval = float(runtime.environment.get("UPLOAD_SECONDS", "15"))
    while True:
        for what, step in (("store an upload", backend.take_upload), ("publish to SQS", backend.publish)):
            try:
                step()
            except (ClientError, BotoCoreError) as error:
                runtime.log(f"ERROR failed to {what}: {error}")
        runtime.rest(interval)


if __name__ == "__main__":
    run_as_process(run)
