"""RetainWise's worker: takes predictions off the queue, scores the customers of the uploaded file, stores the
result.

`python -m sandbox.workloads.worker`. Environment: PREDICTIONS_TABLE, QUEUE_URL, POLL_SECONDS, WORK_SECONDS,
MODEL_PATH (the model that is shipped beside the code, if empty), QUEUE_ROLE_ARN (a role to assume for the
queue; the task role, if empty), FAILURES_TO_EXIT (after so many failed turns in a row it exits with 1; never,
if empty). A message is deleted when its prediction is COMPLETED; one that fails stays,
becomes visible again, and ends in the dead-letter queue.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.workloads import churn
from sandbox.workloads.runtime import Runtime, run_as_process, started

LIKELY = 0.5


class Worker:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.s3 = runtime.client("s3")
        self.sqs = _queue_client(runtime)
        self.table = runtime.client("dynamodb")
        self.table_name = runtime.environment["PREDICTIONS_TABLE"]
        self.queue_url = runtime.environment["QUEUE_URL"]
        self.model_path = runtime.environment.get("MODEL_PATH")
        self.work_seconds = float(runtime.environment.get("WORK_SECONDS", "2"))

    def turn(self) -> None:
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=5, WaitTimeSeconds=0)
        messages = answer.get("Messages", [])
        if messages:
            self.runtime.log(f"Successfully received {len(messages)} messages from SQS")
        for message in messages:
            prediction = json.loads(message["Body"])
            try:
                self.predict(prediction)
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
            except (ClientError, BotoCoreError, churn.ModelNotFound) as error:
                self.runtime.log(f"ERROR {prediction['prediction_id']} failed: {error}")

    def predict(self, prediction: dict[str, Any]) -> None:
        name = prediction["prediction_id"]
        if not self.set_status(name, "PROCESSING"):
            self.runtime.log(f"{name} was COMPLETED before: the message came twice")
            return
        model = churn.load(self.model_path)
        upload = (
            self.s3.get_object(Bucket=prediction["bucket"], Key=prediction["key"])["Body"].read().decode()
        )
        rows = churn.read_customers(upload)
        self.runtime.sleep(self.work_seconds)
        scored = [{**row, "churn_probability": f"{model.score(row):.4f}"} for row in rows]
        result = churn.write_customers(scored).encode()
        self.s3.put_object(Bucket=prediction["bucket"], Key=f"results/{name}.csv", Body=result)
        self.set_status(name, "COMPLETED")
        likely = sum(float(row["churn_probability"]) > LIKELY for row in scored)
        self.runtime.log(f"{name} COMPLETED: {len(scored)} customers, {likely} likely to leave")

    def set_status(self, prediction: str, status: str) -> bool:
        """False if the prediction is COMPLETED already: SQS delivers at least once."""
        try:
            self.table.update_item(
                TableName=self.table_name,
                Key={"prediction_id": {"S": prediction}},
                UpdateExpression="SET #status = :status",
                ConditionExpression="#status <> :completed",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status}, ":completed": {"S": "COMPLETED"}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _queue_client(runtime: Runtime) -> Any:
    role = runtime.environment.get("QUEUE_ROLE_ARN")
    if not role:
        return runtime.client("sqs")
    assumed = runtime.client("sts").assume_role(RoleArn=role, RoleSessionName=runtime.name)
    return runtime.client("sqs", assumed["Credentials"])


def run(runtime: Runtime) -> int:
    if (code := started(runtime, "worker")) is not None:
        return code
    worker = Worker(runtime)
    interval = float(runtime.environment.get("POLL_SECONDS", "10"))
    patience, failures = int(runtime.environment.get("FAILURES_TO_EXIT") or 0), 0
    while not patience or failures < patience:
        try:
            worker.turn()
            failures = 0
        except (ClientError, BotoCoreError) as error:
            runtime.log(f"ERROR failed to receive messages from SQS: {error}")
            failures += 1
        runtime.rest(interval)
    runtime.log("CRITICAL worker gives up")
    return 1


if __name__ == "__main__":
    run_as_process(run)
