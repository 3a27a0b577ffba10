"""GET pods/NAME/log: fetched from the log endpoint of the pod's node, as from a kubelet."""

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

from runbus.localcluster.rules.errors import ApiError, bad_request
from runbus.localcluster.rules.resources import NODES, PODS, Target
from runbus.localcluster.store.store import ObjectStore

JsonObject = dict[str, Any]
_CONNECT_LIMIT_S = 5.0
_WRITE_LIMIT_S = 30.0
_CHUNK_BYTES = 64 * 1024
_PASSED_ON = (
    "follow",
    "tailLines",
    "limitBytes",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "previous",
)
_ADDRESSES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")


class PodLogs:
    """Finds a pod's node and passes its log on."""

    def __init__(self, store: ObjectStore, token: str) -> None:
        self._store = store
        self._headers = {"Authorization": f"Bearer {token}"}

    async def serve(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """Stream the log of one container; 400 and 404 in a kube-apiserver's words."""
        pod = self._store.get(PODS, target.namespace, target.name).obj
        container = _container(pod, request.query.get("container", ""))
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            return web.Response(text="", content_type="text/plain")
        base = self._endpoint(node_name)
        url = f"{base}/containerLogs/{target.namespace}/{target.name}/{container}"
        query = {key: request.query[key] for key in _PASSED_ON if key in request.query}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_LIMIT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
                session.get(url, params=query) as answer,
            ):
                return await _pass_on(request, answer)
        except aiohttp.ClientError as error:
            message = f"Get {url!r}: {error}"
            raise ApiError(500, "InternalError", f"Internal error occurred: {message}") from error

    def _endpoint(self, node_name: str) -> str:
        status: JsonObject = self._store.get(NODES, "", node_name).obj.get("status") or {}
        addresses = {each["type"]: each["address"] for each in status.get("addresses") or []}
        ports = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        preferred = next((addresses[kind] for kind in _ADDRESSES[2:] if kind in addresses), None)
        if preferred is None:
            known = [{"type": k, "address": v} for k, v in addresses.items()]
            message = f"no preferred addresses found; known addresses: {known}"
            raise ApiError(500, "", message)
        host = f"[{preferred}]" if ":" in preferred else preferred
        return f"http://{host}:{ports.get('Port', 0)}"


def _container(pod: JsonObject, wanted: str) -> str:
    name = pod["metadata"]["name"]
    spec = pod["spec"]
    main = [each["name"] for each in spec["containers"]]
    init = [each["name"] for each in spec.get("initContainers") or []]
    if wanted:
        if wanted not in main + init:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(main) == 1:
        return str(main[0])
    choices = f"choose one of: [{' '.join(main)}]"
    if init:
        choices += f" or one of the init containers: [{' '.join(init)}]"
    raise bad_request(f"a container name must be specified for pod {name}, {choices}")


async def _pass_on(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    if answer.status != 200:
        text = (await answer.text()).strip()
        reason = {400: "BadRequest", 404: "NotFound"}.get(answer.status, "InternalError")
        raise ApiError(answer.status, reason, text)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            async with asyncio.timeout(_WRITE_LIMIT_S):
                await response.write(chunk)
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response
