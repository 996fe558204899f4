"""Task definitions of every kind, as RegisterTaskDefinition takes them."""

from __future__ import annotations

from typing import Any

ACCOUNT = "arn:aws:iam::123456789012:role/"
TASK_ROLE, EXECUTION_ROLE = f"{ACCOUNT}shop/orders-task-role", f"{ACCOUNT}orders-execution-role"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf"
PARAMETER = "arn:aws:ssm:us-east-1:123456789012:parameter/orders/token"
AWSLOGS = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/ecs/orders",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
    },
}


def container(name: str = "app", **members: Any) -> dict[str, Any]:
    return {"name": name, "image": f"shop/{name}:1", "essential": True, "memory": 256} | members


def fargate(*containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "taskRoleArn": TASK_ROLE,
        "executionRoleArn": EXECUTION_ROLE,
        "containerDefinitions": list(containers) or [container()],
    } | members


def ec2(*containers: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "requiresCompatibilities": ["EC2"],
        "taskRoleArn": TASK_ROLE,
        "containerDefinitions": list(containers) or [container()],
    } | members


def without(definition: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in definition.items() if name not in names}


def mounting(volume: dict[str, Any], **mount: Any) -> dict[str, Any]:
    point = {"sourceVolume": volume["name"], "containerPath": "/data"} | mount
    return {"containerDefinitions": [container(mountPoints=[point])], "volumes": [volume]}


SHAPES: dict[str, dict[str, Any]] = {
    "fargate": fargate(container(logConfiguration=AWSLOGS)),
    "fargate without an execution role": without(fargate(), "executionRoleArn"),
    "fargate without a task role": without(fargate(), "taskRoleArn"),
    "fargate on arm": fargate(
        runtimePlatform={"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        ephemeralStorage={"sizeInGiB": 100},
    ),
    "fargate on windows": fargate(
        cpu="1024",
        memory="2048",
        runtimePlatform={
            "cpuArchitecture": "X86_64",
            "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE",
        },
    ),
    "fargate with a shared process namespace": fargate(pidMode="task"),
    "fault injection": fargate(enableFaultInjection=True),
    "no fault injection": fargate(enableFaultInjection=False),
    "confidential": ec2(
        trustedExecutionConfiguration={"isolationMode": "CONFIDENTIAL_SANDBOX", "attestationPolicy": "p"}
    ),
    "managed instances": fargate(requiresCompatibilities=["MANAGED_INSTANCES"]),
    "fargate or ec2": fargate(requiresCompatibilities=["EC2", "FARGATE"]),
    "external": ec2(requiresCompatibilities=["EXTERNAL"], networkMode="bridge"),
    "for no launch type in particular": without(ec2(), "requiresCompatibilities"),
    "nothing but a container": {"containerDefinitions": [{"name": "a", "image": "a", "memory": 4}]},
    "ec2 with a soft limit only": ec2(
        without(container(memoryReservation=128), "memory"), placementConstraints=[]
    ),
    "network none": ec2(container(disableNetworking=True), networkMode="none"),
    "network bridge": ec2(
        container(
            "web",
            links=["db:database"],
            hostname="web.local",
            extraHosts=[{"hostname": "old", "ipAddress": "10.0.0.7"}],
            dnsServers=["10.0.0.2", "10.0.0.1"],
            dnsSearchDomains=["shop.internal"],
            portMappings=[{"containerPort": 80}, {"containerPort": 53, "hostPort": 0, "protocol": "udp"}],
        ),
        container("db", essential=False),
        networkMode="bridge",
    ),
    "network host": ec2(
        container(portMappings=[{"containerPort": 9000, "hostPort": 9000}]),
        networkMode="host",
        pidMode="host",
        ipcMode="host",
    ),
    "ports by name and protocol": fargate(
        container(
            portMappings=[
                {"containerPort": 8080, "name": "http", "appProtocol": "http"},
                {"containerPort": 8081, "name": "grpc", "appProtocol": "grpc", "protocol": "tcp"},
            ]
        )
    ),
    "ports by range": ec2(container(portMappings=[{"containerPortRange": "100-200", "protocol": "udp"}])),
    "volume in efs": fargate(
        **mounting(
            {
                "name": "shared",
                "efsVolumeConfiguration": {
                    "fileSystemId": "fs-0123456789abcdef0",
                    "transitEncryption": "ENABLED",
                    "transitEncryptionPort": 2999,
                    "authorizationConfig": {"accessPointId": "fsap-0123456789abcdef0", "iam": "ENABLED"},
                },
            }
        )
    ),
    "volume in a directory of efs": fargate(
        **mounting(
            {
                "name": "shared",
                "efsVolumeConfiguration": {
                    "fileSystemId": "fs-0123456789abcdef0",
                    "rootDirectory": "/orders",
                },
            },
            readOnly=True,
        )
    ),
    "volume in s3 files": fargate(
        **mounting(
            {
                "name": "objects",
                "s3filesVolumeConfiguration": {
                    "fileSystemArn": "arn:aws:s3files:us-east-1:123456789012:file-system/fs-1",
                    "rootDirectory": "/",
                    "transitEncryptionPort": 3049,
                    "accessPointArn": "arn:aws:s3files:us-east-1:123456789012:access-point/ap-1",
                },
            }
        )
    ),
    "volume in fsx for windows": ec2(
        **mounting(
            {
                "name": "share",
                "fsxWindowsFileServerVolumeConfiguration": {
                    "fileSystemId": "fs-0123456789abcdef0",
                    "rootDirectory": "\\share",
                    "authorizationConfig": {"credentialsParameter": SECRET, "domain": "shop.internal"},
                },
            }
        )
    ),
    "volume of docker": ec2(
        **mounting(
            {
                "name": "cache",
                "dockerVolumeConfiguration": {
                    "scope": "shared",
                    "autoprovision": True,
                    "driver": "local",
                    "driverOpts": {"type": "tmpfs", "device": "tmpfs"},
                    "labels": {"owner": "orders", "empty": ""},
                },
            }
        )
    ),
    "volume configured at launch": fargate(**mounting({"name": "ebs", "configuredAtLaunch": True})),
    "volume on the host": ec2(**mounting({"name": "logs", "host": {"sourcePath": "/var/log"}})),
    "volume of the task": fargate(**mounting({"name": "scratch", "host": {}})),
    "volume with nothing but a name": fargate(**mounting({"name": "scratch"})),
    "volumes of another container": ec2(
        container(volumesFrom=[{"sourceContainer": "data", "readOnly": True}]),
        container("data", essential=False),
    ),
    "secrets": fargate(
        container(
            secrets=[{"name": "TOKEN", "valueFrom": PARAMETER}, {"name": "KEY", "valueFrom": SECRET}],
            repositoryCredentials={"credentialsParameter": SECRET},
            environmentFiles=[
                {"type": "s3", "value": "arn:aws:s3:::orders/second.env"},
                {"type": "s3", "value": "arn:aws:s3:::orders/first.env"},
            ],
            logConfiguration={
                "logDriver": "splunk",
                "options": {"splunk-url": "https://splunk.internal"},
                "secretOptions": [{"name": "splunk-token", "valueFrom": PARAMETER}],
            },
        )
    ),
    "environment in no order": fargate(
        container(environment=[{"name": f"V{n}", "value": str(n * 7 % 5)} for n in (5, 3, 9, 1, 0, 4, 8, 2)])
    ),
    "environment with odd values": fargate(
        container(
            environment=[
                {"name": "EMPTY", "value": ""},
                {"name": "JSON", "value": '{"a": [1, null]}'},
                {"name": "é.with.dots", "value": "line\nline\u2028 ünïcode 🚚"},
                {"name": "QUOTED", "value": '"\\"'},
            ],
            dockerLabels={"com.example/a.b": "", "x": "y"},
        )
    ),
    "sidecars": fargate(
        container(
            dependsOn=[
                {"containerName": "migrate", "condition": "SUCCESS"},
                {"containerName": "proxy", "condition": "HEALTHY"},
            ],
            startTimeout=120,
            stopTimeout=60,
        ),
        container("migrate", essential=False, command=["python", "-m", "migrate"], entryPoint=["sh", "-c"]),
        container(
            "proxy",
            essential=False,
            healthCheck={
                "command": ["CMD-SHELL", "curl -f http://localhost || exit 1"],
                "interval": 30,
                "timeout": 5,
                "retries": 3,
                "startPeriod": 10,
            },
        ),
    ),
    "restart policy": fargate(
        container(
            restartPolicy={"enabled": True, "ignoredExitCodes": [0, 137], "restartAttemptPeriod": 180},
            versionConsistency="disabled",
        )
    ),
    "app mesh": fargate(
        container(),
        container("envoy", user="1337"),
        proxyConfiguration={
            "type": "APPMESH",
            "containerName": "envoy",
            "properties": [
                {"name": "IgnoredUID", "value": "1337"},
                {"name": "ProxyIngressPort", "value": "15000"},
                {"name": "EgressIgnoredIPs", "value": ""},
            ],
        },
    ),
    "firelens": fargate(
        container(logConfiguration={"logDriver": "awsfirelens", "options": {"Name": "cloudwatch"}}),
        container(
            "router",
            firelensConfiguration={"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
        ),
    ),
    "limits and kernel": ec2(
        container(
            ulimits=[
                {"name": "nofile", "softLimit": 1024, "hardLimit": 4096},
                {"name": "core", "softLimit": 0, "hardLimit": 0},
            ],
            systemControls=[{"namespace": "net.core.somaxconn", "value": "1024"}],
            linuxParameters={
                "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]},
                "devices": [{"hostPath": "/dev/fuse", "containerPath": "/dev/fuse", "permissions": ["read"]}],
                "initProcessEnabled": True,
                "sharedMemorySize": 64,
                "tmpfs": [{"containerPath": "/tmp", "size": 64, "mountOptions": ["noexec", "rw"]}],
                "maxSwap": 0,
                "swappiness": 0,
            },
            dockerSecurityOptions=["no-new-privileges"],
            privileged=True,
            readonlyRootFilesystem=True,
            interactive=True,
            pseudoTerminal=True,
            user="0:0",
            workingDirectory="/srv",
        ),
        ipcMode="task",
    ),
    "group managed service account": ec2(
        container(credentialSpecs=["credentialspecdomainless:arn:aws:s3:::orders/spec.json"])
    ),
    "gpu": ec2(
        container(
            resourceRequirements=[
                {
                    "type": "GPU",
                    "value": "1",
                    "sharingStrategy": {"nvidiaMps": {"memory": 1024, "maxComputePercent": 50}},
                }
            ]
        )
    ),
    "inference accelerator": ec2(
        container(resourceRequirements=[{"type": "InferenceAccelerator", "value": "device_1"}]),
        inferenceAccelerators=[{"deviceName": "device_1", "deviceType": "eia2.medium"}],
    ),
    "placed": ec2(
        placementConstraints=[{"type": "memberOf", "expression": "attribute:ecs.instance-type =~ t3.*"}],
        cpu="1 vCPU",
        memory="2 GB",
    ),
    "tags": fargate(tags=[{"key": "team", "value": "orders"}, {"key": "cost center", "value": ""}]),
    "tags of the console": fargate(
        tags=[
            {"key": "ecs:taskDefinition:createdFrom", "value": "ecs-console-v2"},
            {"key": "Ä", "value": "ö"},
        ]
    ),
}
