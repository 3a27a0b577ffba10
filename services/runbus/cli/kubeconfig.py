"""A kubeconfig, as far as a bearer token over HTTP or verified TLS goes.

That is the local cluster, and most of continuous integration. Certificates, exec plug-ins and
cloud logins are left to kubernetes_asyncio (`kube_logs`), which takes two seconds to import.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

_SIMPLE_USER_KEYS = {"token", "tokenFile"}
_SIMPLE_CLUSTER_KEYS = {"server", "certificate-authority", "certificate-authority-data"}


class SimpleCluster(Struct, frozen=True):
    """An API server that needs nothing but an address, a token and perhaps an authority."""

    url: str
    token: str
    tls: ssl.SSLContext | None = None


def simple_cluster(path: Path) -> SimpleCluster | None:
    """Return the cluster of a kubeconfig's current context; None where more is needed for it.

    Raises:
        OSError: a file cannot be read.

    """
    try:
        content: Any = yaml.safe_load(path.read_text())
        context = _named(content["contexts"], content["current-context"])["context"]
        cluster = _named(content["clusters"], context["cluster"])["cluster"]
        user = _named(content.get("users") or [], context["user"])["user"] or {}
        url = str(cluster["server"]).rstrip("/")
    except (yaml.YAMLError, KeyError, TypeError, LookupError):
        return None
    if not (set(user) <= _SIMPLE_USER_KEYS and set(cluster) <= _SIMPLE_CLUSTER_KEYS):
        return None
    if "tokenFile" in user:
        token = Path(user["tokenFile"]).read_text().strip()
    else:
        token = str(user.get("token") or "")
    try:
        return SimpleCluster(url, token, _tls(cluster, path) if url.startswith("https") else None)
    except (binascii.Error, ssl.SSLError, UnicodeDecodeError):
        return None


def _tls(cluster: dict[str, Any], path: Path) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    if data is not None:
        authority = base64.b64decode(data, validate=True).decode()
        return ssl.create_default_context(cadata=authority)
    file = cluster.get("certificate-authority")
    return ssl.create_default_context(cafile=str(path.parent / file) if file else None)


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in items:
        if item["name"] == name:
            return item
    raise LookupError(name)
