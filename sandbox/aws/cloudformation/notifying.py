"""CloudFormation's types for what is sent, logged and watched: topics, queues, logs and alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sandbox.aws.cloudformation.creation import Context, Created, Properties, camel, only


def topic(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("TopicName") or context.physical_name(logical_id)
    attributes = only(p, "DisplayName", "KmsMasterKeyId")
    arn = context.core.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
    for subscription in p.get("Subscription", []):
        context.core.client("sns").subscribe(TopicArn=arn, **only(subscription, "Protocol", "Endpoint"))
    return Created(arn, {"TopicArn": arn, "TopicName": name})


def topic_policy(context: Context, logical_id: str, p: Properties) -> Created:
    for topic in p["Topics"]:
        context.core.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(p["PolicyDocument"])
        )
    return Created(logical_id)


def subscription(context: Context, logical_id: str, p: Properties) -> Created:
    answer = context.core.client("sns").subscribe(**only(p, "TopicArn", "Protocol", "Endpoint"))
    return Created(answer["SubscriptionArn"])


def queue(context: Context, logical_id: str, p: Properties) -> Created:
    sqs = context.core.client("sqs")
    name = p.get("QueueName") or context.physical_name(logical_id)
    attributes = {
        key: json.dumps(value) if isinstance(value, Mapping | bool) else str(value)
        for key, value in p.items()
        if key not in ("QueueName", "Tags")
    }
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Created(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def queue_policy(context: Context, logical_id: str, p: Properties) -> Created:
    for queue in p["Queues"]:
        policy = json.dumps(p["PolicyDocument"])
        context.core.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    return Created(logical_id)


def log_group(context: Context, logical_id: str, p: Properties) -> Created:
    logs = context.core.client("logs")
    name = p.get("LogGroupName") or context.physical_name(logical_id)
    logs.create_log_group(logGroupName=name)
    if "RetentionInDays" in p:
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(p["RetentionInDays"]))
    arn = f"arn:aws:logs:{context.core.region}:{context.core.account_id}:log-group:{name}:*"
    return Created(name, {"Arn": arn})


def metric_filter(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("FilterName") or context.physical_name(logical_id)
    transformations = camel(p["MetricTransformations"])
    for each in transformations:
        each["metricValue"] = str(each["metricValue"])
    context.core.client("logs").put_metric_filter(
        logGroupName=p["LogGroupName"],
        filterName=name,
        filterPattern=p["FilterPattern"],
        metricTransformations=transformations,
    )
    return Created(name)


def alarm(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("AlarmName") or context.physical_name(logical_id)
    known = {key: value for key, value in p.items() if key != "AlarmName"}
    for number in ("Period", "EvaluationPeriods", "DatapointsToAlarm"):
        if number in known:
            known[number] = int(known[number])
    if "Threshold" in known:
        known["Threshold"] = float(known["Threshold"])
    context.core.client("cloudwatch").put_metric_alarm(AlarmName=name, **known)
    arn = f"arn:aws:cloudwatch:{context.core.region}:{context.core.account_id}:alarm:{name}"
    return Created(name, {"Arn": arn})
