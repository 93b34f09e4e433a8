"""PURE: which permissions a request of S3 needs. Its actions are not the names of its operations.

Table: "Required permissions for Amazon S3 API operations" (S3 user guide). A bucket is named by the path's first part
or by the host; which of them must be decided here as moto does it, who then acts. Encryption with a key of KMS needs
that key too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, unquote_to_bytes
from xml.etree import ElementTree

from labkit.emulator.iam import ANY
from labkit.emulator.needs import Need, ServiceRequest

PATH_STYLE_HOST = re.compile(r"(?:localhost|localstack|host\.docker\.internal|[\d.]+(?::\d+)?$|\[|[^.]*$)")
"""Hosts with which moto looks for the bucket in the path; in all others it is the first label."""
READS, WRITES, DELETES = ("GET", "HEAD"), ("PUT",), ("DELETE",)
BUCKET_PARTS: Mapping[str, tuple[str, str, str]] = {
    # what stands in the query: the actions to read, to write, to delete
    "accelerate": ("GetAccelerateConfiguration", "PutAccelerateConfiguration", ""),
    "acl": ("GetBucketAcl", "PutBucketAcl", ""),
    "analytics": ("GetAnalyticsConfiguration", "PutAnalyticsConfiguration", "PutAnalyticsConfiguration"),
    "cors": ("GetBucketCORS", "PutBucketCORS", "PutBucketCORS"),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration", "PutEncryptionConfiguration"),
    "inventory": ("GetInventoryConfiguration", "PutInventoryConfiguration", "PutInventoryConfiguration"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration", "PutLifecycleConfiguration"),
    "location": ("GetBucketLocation", "", ""),
    "logging": ("GetBucketLogging", "PutBucketLogging", ""),
    "metrics": ("GetMetricsConfiguration", "PutMetricsConfiguration", "PutMetricsConfiguration"),
    "notification": ("GetBucketNotification", "PutBucketNotification", ""),
    "object-lock": ("GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration", ""),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "policyStatus": ("GetBucketPolicyStatus", "", ""),
    "publicAccessBlock": ("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    "replication": ("GetReplicationConfiguration", "PutReplicationConfiguration", "PutReplicationConfiguration"),
    "requestPayment": ("GetBucketRequestPayment", "PutBucketRequestPayment", ""),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    "uploads": ("ListBucketMultipartUploads", "", ""),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning", ""),
    "versions": ("ListBucketVersions", "", ""),
    "website": ("GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"),
}
OBJECT_PARTS: Mapping[str, tuple[str, str, str]] = {
    "acl": ("GetObjectAcl", "PutObjectAcl", ""),
    "attributes": ("GetObjectAttributes", "", ""),
    "legal-hold": ("GetObjectLegalHold", "PutObjectLegalHold", ""),
    "retention": ("GetObjectRetention", "PutObjectRetention", ""),
    "tagging": ("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
    "torrent": ("GetObjectTorrent", "", ""),
    "uploadId": ("ListMultipartUploadParts", "PutObject", "AbortMultipartUpload"),
}
POSTS = {"uploads": "PutObject", "uploadId": "PutObject", "restore": "RestoreObject", "select": "GetObject"}
FACTS = ("prefix", "delimiter", "max-keys")
HEADER_FACTS = (b"x-amz-acl", b"x-amz-server-side-encryption", b"x-amz-server-side-encryption-aws-kms-key-id")


class Place(NamedTuple):
    """What a request is about; both empty for all buckets."""

    bucket: str
    key: str


def place_of(request: ServiceRequest) -> Place:
    path, host = request.raw_path.lstrip(b"/"), request.header(b"host")
    if not PATH_STYLE_HOST.match(host):
        return Place(host.removeprefix("www.").partition(".")[0], _decoded(path))
    bucket, _, key = path.partition(b"/")
    return Place(_decoded(bucket), _decoded(key))


def _decoded(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "replace")


def s3_needs(request: ServiceRequest) -> list[Need]:
    """All permissions that the request needs, in the order in which AWS's messages name them."""
    place, query = place_of(request), dict(parse_qsl(request.query, keep_blank_values=True))
    facts = {f"s3:{name}": [query[name]] for name in FACTS if name in query}
    facts |= {f"s3:{name.decode()}": [request.header(name)] for name in HEADER_FACTS if name in request.headers}
    if not place.bucket:
        return [Need("s3:ListAllMyBuckets")]
    bucket = f"arn:aws:s3:::{place.bucket}"
    if not place.key:
        if request.method == "POST" and "delete" in query:
            return [_need("DeleteObject", f"{bucket}/{key}", facts) for key in _deleted(request.body)]
        return [_need(_bucket_action(request.method, query), bucket, facts)]
    arn = f"{bucket}/{place.key}"
    return [_need(action, arn, facts) for action in _object_actions(request, query)] + _more(request, arn)


def _need(action: str, arn: str, facts: Mapping[str, list[str]]) -> Need:
    return Need(f"s3:{action}", arn, facts, named=("s3", arn.removeprefix("arn:aws:s3:::")))


def _bucket_action(method: str, query: Mapping[str, str]) -> str:
    part = next((name for name in BUCKET_PARTS if name in query), "")
    if part:
        return _by_method(BUCKET_PARTS[part], method) or f"{method.title()}Bucket"
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "POST": "PutObject"}.get(method, "ListBucket")


def _by_method(actions: tuple[str, str, str], method: str) -> str:
    read, write, delete = actions
    return read if method in READS else delete if method in DELETES else write


def _object_actions(request: ServiceRequest, query: Mapping[str, str]) -> list[str]:
    method = request.method
    if method == "POST":
        return [next((action for name, action in POSTS.items() if name in query), "PutObject")]
    part = next((name for name in OBJECT_PARTS if name in query), "")
    if part and (action := _by_method(OBJECT_PARTS[part], method)):
        return ["GetObject", action] if part == "attributes" else [action]
    version = "Version" if query.get("versionId") else ""
    if method in READS:
        return [f"GetObject{version}"]
    if method in DELETES:
        return [f"DeleteObject{version}"]
    more = {b"x-amz-acl": "PutObjectAcl", b"x-amz-tagging": "PutObjectTagging"}
    return ["PutObject", *(action for header, action in more.items() if header in request.headers)]


def _more(request: ServiceRequest, arn: str) -> list[Need]:
    """The object that is copied, and the key that encrypts."""
    found: list[Need] = []
    if source := request.header(b"x-amz-copy-source"):
        name = unquote(source).removeprefix("/").partition("?versionId=")[0]
        found.append(_need("GetObject", f"arn:aws:s3:::{name}", {}))
    if request.header(b"x-amz-server-side-encryption") == "aws:kms":
        key = request.header(b"x-amz-server-side-encryption-aws-kms-key-id")
        if key:  # AWS's own key for S3 is for everybody of the account
            known = key if key.startswith("arn:") else request.arn(f"key/{key}", service="kms")
            found.append(Need("kms:GenerateDataKey", known, named=("kms", key)))
    return found


def _deleted(body: bytes) -> list[str]:
    """The keys that a multi-object delete names; one that cannot be read is about all."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return [ANY]
    return [element.text or "" for element in root.iter() if element.tag.rpartition("}")[2] == "Key"]
