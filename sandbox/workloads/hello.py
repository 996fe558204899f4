"""The smallest service, to copy for one of your own: it sends a message every few seconds.

`python -m sandbox.workloads.hello`. Environment: QUEUE_URL.
"""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.workloads.runtime import Runtime, run_as_process


def run(runtime: Runtime) -> int:
    queue = runtime.client("sqs")
    while True:
        try:
            queue.send_message(QueueUrl=runtime.environment["QUEUE_URL"], MessageBody="hello")
            runtime.log("Successfully sent")  # after the call: this line is the proof of health
        except (ClientError, BotoCoreError) as error:
            runtime.log(f"ERROR failed to send: {error}")
        runtime.rest(10)


if __name__ == "__main__":
    run_as_process(run)
