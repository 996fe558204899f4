"""CloudFormation's types for what is built and shared: build projects, buckets, layers of functions."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from sandbox.aws.cloudformation.creation import Context, Created, Properties, camel, only


def project(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("Name") or context.physical_name(logical_id)
    given = camel(
        only(p, "Description", "Source", "SourceVersion", "Artifacts", "Environment", "ServiceRole")
    )
    given |= camel(only(p, "LogsConfig", "Cache", "Tags"))
    if "buildSpec" in given["source"]:
        given["source"]["buildspec"] = given["source"].pop("buildSpec")
    for number in ("TimeoutInMinutes", "QueuedTimeoutInMinutes", "ConcurrentBuildLimit"):
        if number in p:
            # A template's numbers may be texts, such as a parameter's.
            given[camel({number: 0}).popitem()[0]] = int(p[number])
    made = context.core.client("codebuild").create_project(name=name, **given)["project"]
    return Created(name, {"Arn": made["arn"]})


def bucket(context: Context, logical_id: str, p: Properties) -> Created:
    """A bucket of a build's: encrypted and private; its lifecycle ends nothing here."""
    only(p, "LifecycleConfiguration", "OwnershipControls")
    s3, name = context.core.client("s3"), p.get("BucketName") or context.physical_name(logical_id).lower()
    s3.create_bucket(Bucket=name)
    for rule in p.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", []):
        default = {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [default]})
    if "PublicAccessBlockConfiguration" in p:
        blocked = {
            key: str(value).lower() == "true" for key, value in p["PublicAccessBlockConfiguration"].items()
        }
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocked)
    return Created(name, {"Arn": f"arn:aws:s3:::{name}"})


def layer(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("LayerName") or context.physical_name(logical_id)
    folder = context.file(p["Content"]["S3Bucket"], p["Content"]["S3Key"])
    known: dict[str, Any] = only(p, "CompatibleRuntimes", "CompatibleArchitectures", "Description")
    arn = context.core.client("lambda").publish_layer_version(
        LayerName=name, Content={"ZipFile": packed(folder)}, **known
    )["LayerVersionArn"]
    return Created(arn, {"LayerVersionArn": arn})


def packed(folder: Path) -> bytes:
    """The folder's files as `sam package` uploads them; the same bytes for the same files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                entry = zipfile.ZipInfo(str(file.relative_to(folder)))
                entry.external_attr = file.stat().st_mode << 16
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()
