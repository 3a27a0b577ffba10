"""The Kubernetes API as far as the command line asks it: one session, raw requests, raw answers.

The local cluster, and whatever a bearer token opens, is reached without kubernetes_asyncio, which
takes two seconds to import. Must not know runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from msgspec import Struct

from runbus.cli.kubeconfig import SimpleCluster, simple_cluster

REQUEST_TIMEOUT_S = 5.0
TEXT_CHARS_MAX = 500


class KubeConfigError(Exception):
    """There is no usable configuration; the message says why."""


class KubeUnreachableError(Exception):
    """The API server does not answer."""


class KubeAnswer(Struct, frozen=True):
    """What the API server answered."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return self.status < 400

    @property
    def message(self) -> str:
        """The server's own text of a refusal."""
        return message_of(self.body)


class _Status(Struct):
    message: str = ""


class KubeAccess:
    """One API server. Make it with `connect`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self.session = session
        self.url = url
        self.headers = headers

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> KubeAnswer:
        """Carry out one request; a refusal is an answer, too.

        Raises:
            KubeUnreachableError: no answer in time.

        """
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self.headers, "Accept": "application/json"}
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=None, connect=timeout_s)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self.session.request(
                    method, url, headers=headers, data=data, timeout=timeout
                ) as response,
            ):
                return KubeAnswer(response.status, await response.read())
        except TimeoutError as error:
            text = f"{self.url} does not answer within {timeout_s:g} s"
            raise KubeUnreachableError(text) from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"{self.url}: {error or type(error).__name__}"
            raise KubeUnreachableError(text) from error


@asynccontextmanager
async def connect(path: str | None) -> AsyncIterator[KubeAccess]:
    """Prepare to ask the API server of a kubeconfig, for the length of a block.

    Args:
        path: of the kubeconfig; None: KUBECONFIG, ~/.kube/config, or the cluster we run in.

    Raises:
        KubeConfigError: there is no usable configuration.

    """
    simple = await asyncio.to_thread(_simple, path)
    if simple is not None:
        headers = {"Authorization": f"Bearer {simple.token}"} if simple.token else {}
        connector = aiohttp.TCPConnector(ssl=simple.tls if simple.tls is not None else True)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield KubeAccess(session, simple.url, headers)
        return
    async with _any_cluster(path) as access:
        yield access


def message_of(body: bytes) -> str:
    """Return the text of a refusal: the server's own message, or what it sent instead."""
    try:
        return msgspec.json.decode(body, type=_Status).message
    except msgspec.MsgspecError:
        return body[:TEXT_CHARS_MAX].decode(errors="replace")


def _simple(path: str | None) -> SimpleCluster | None:
    chosen = path or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        return simple_cluster(Path(chosen))
    except OSError:
        return None


@asynccontextmanager
async def _any_cluster(path: str | None) -> AsyncIterator[KubeAccess]:
    from kubernetes_asyncio import client
    from kubernetes_asyncio import config as kube_config

    config: Any = kube_config

    configuration = client.Configuration()
    try:
        if path is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(
                config_file=path, client_configuration=configuration, persist_config=False
            )
    except (config.ConfigException, OSError) as error:
        message = f"no usable kubeconfig: {error}"
        raise KubeConfigError(message) from error
    async with client.ApiClient(configuration=configuration) as api:
        settings: dict[str, Any] = await configuration.auth_settings()
        headers = {
            each["key"]: each["value"]
            for each in settings.values()
            if each["in"] == "header" and each["value"]
        }
        yield KubeAccess(api.rest_client.pool_manager, str(configuration.host), headers)
