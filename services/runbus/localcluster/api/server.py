"""The HTTP side of the API server: authentication, dispatch by path and verb, answers.

Holds no rules: those are in ``rules``; ``operations`` puts them together with the store.
"""

import asyncio
import hmac
from typing import Any

import msgspec
from aiohttp import web
from yarl import URL

from runbus.localcluster.api import reviews
from runbus.localcluster.api.bodies import known_fields, read_body, read_optional_body, warn
from runbus.localcluster.api.discovery import discovery, known_group_version
from runbus.localcluster.api.faults import Fault, Faults
from runbus.localcluster.api.journal import JournalError
from runbus.localcluster.api.node_orders import give_order
from runbus.localcluster.api.operations import Operations
from runbus.localcluster.api.pod_logs import PodLogs
from runbus.localcluster.api.queries import (
    apply_patch,
    delete_options,
    dry_run,
    flag,
    resource_version,
    selector,
    watch_options,
    whole_number,
)
from runbus.localcluster.api.tables import as_table, wants_table
from runbus.localcluster.api.watching import Lines, ObjectLines, TableLines, Watches
from runbus.localcluster.rules.errors import (
    ApiError,
    bad_request,
    method_not_allowed,
    not_here,
    success,
    too_large,
    too_large_version,
    unauthorized,
    unknown_path,
)
from runbus.localcluster.rules.resources import Target, parse_target
from runbus.localcluster.schema.openapi import INDEX, document, index
from runbus.localcluster.schema.types import load_types
from runbus.localcluster.store.history import Stored
from runbus.localcluster.store.pages import Page, Pages

JsonObject = dict[str, Any]
MAX_BODY_BYTES = 3 * 1024 * 1024
_TOKEN_PREFIX = "/token/"  # noqa: S105 - the start of a path, see options.py
_HEALTH = frozenset(("/healthz", "/livez", "/readyz"))
_OPEN = _HEALTH | {"/version", "/version/"}
_APPLY = "application/apply-patch+"
_NO_APPLY = (
    "the local cluster has no server-side apply (it keeps no record of who owns which field): "
    "use kubectl apply without --server-side"
)
_encode = msgspec.json.Encoder().encode


class ApiServer:
    """Answers one request at a time; see ``handle``."""

    def __init__(
        self, operations: Operations, watches: Watches, logs: PodLogs, faults: Faults, token: str
    ) -> None:
        self._do = operations
        self._store = operations.store
        self._watches = watches
        self._logs = logs
        self._faults = faults
        self._authorization = f"Bearer {token}".encode()
        self._pages = Pages()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request; refusals become Status objects."""
        try:
            request = self._authenticate(request)
            if request.path.startswith("/localcluster/v1/"):
                return await self._handle_switch(request)
            fault = self._take_fault(request)
            if fault is not None:
                return await self._handle_faulty(request, fault)
            return await self._dispatch(request)
        except ApiError as error:
            return _refusal(error)
        except JournalError as error:
            return _refusal(ApiError(500, "InternalError", f"Internal error occurred: {error}"))
        except web.HTTPRequestEntityTooLarge:
            return _refusal(too_large(MAX_BODY_BYTES))

    def _authenticate(self, request: web.BaseRequest) -> web.BaseRequest:
        """Check the token in the header, or in the path (``/token/TOKEN/...``, for kubectl)."""
        given = request.headers.get("Authorization", "").encode()
        if request.path in _OPEN and not given:
            return request
        if not given and request.path.startswith(_TOKEN_PREFIX):
            token, _, _ = request.path.removeprefix(_TOKEN_PREFIX).partition("/")
            given = f"Bearer {token}".encode()
            raw = request.raw_path.removeprefix(_TOKEN_PREFIX).partition("/")[2]
            request = request.clone(rel_url=URL(f"/{raw}", encoded=True))
        if not hmac.compare_digest(given, self._authorization):
            raise unauthorized()
        return request

    def _take_fault(self, request: web.BaseRequest) -> Fault | None:
        if not self._faults.armed():
            return None
        watch = request.query.get("watch", "") in {"1", "true"}
        agent = request.headers.get("User-Agent", "")
        now_s = asyncio.get_running_loop().time()
        return self._faults.take(request.method, request.path, watch, agent, now_s)

    async def _handle_faulty(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        if fault.hang_s:
            await asyncio.sleep(fault.hang_s)
        refusal = fault.refusal
        if refusal is not None:
            raise refusal
        response: web.StreamResponse | None = None
        if fault.drop != "before":
            response = await self._dispatch(request)
        if fault.drop is not None and request.transport is not None:
            request.transport.abort()
        return response or web.Response(status=503)

    async def _handle_switch(self, request: web.BaseRequest) -> web.StreamResponse:
        what = (request.method, request.path.removeprefix("/localcluster/v1/").strip("/"))
        match what:
            case ("POST", "faults"):
                now_s = asyncio.get_running_loop().time()
                return _json(201, _encode(self._faults.arm(await request.read(), now_s)))
            case ("GET", "faults"):
                return _json(200, _encode(self._faults.armed()))
            case ("DELETE", "faults"):
                self._faults.disarm()
                return _json(200, b"[]")
            case ("GET", "watches"):
                return _json(200, _encode(self._watches.running()))
            case ("POST", "faults/cut-watches"):
                return _json(200, _encode({"cut": self._watches.cut()}))
            case ("POST", "faults/forget-history"):
                self._store.forget_history()
                self._pages.forget()
                return _json(200, _encode({"resourceVersion": str(self._store.version)}))
            case ("POST", place) if place.startswith("nodes/") and place.count("/") == 2:
                _, node, kind = place.split("/")
                order = give_order(self._do, node, kind, await request.read())
                return _json(202, _encode(order))
            case _:
                raise unknown_path()

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        target = parse_target(path)
        if target is None:
            return await _dispatch_other(request)
        if target.resource.read_only and request.method != "GET":
            raise not_here(target.resource.read_only)
        refused = dict(target.resource.refused).get(target.subresource)
        if refused is not None:
            self._store.get(target.resource, target.namespace, target.name)
            raise not_here(refused)
        if target.subresource:
            return await self._handle_subresource(request, target)
        match (request.method, bool(target.name)):
            case ("GET", named):
                if request.query.get("watch") and flag(request.query, "watch"):
                    return await self._watch(request, target)
                return self._get(request, target) if named else self._list(request, target)
            case ("POST", False):
                return await self._create(request, target)
            case ("PUT", True):
                return await self._update(request, target)
            case ("PATCH", True):
                return await self._patch(request, target)
            case ("DELETE", True):
                return await self._delete(request, target)
            case ("DELETE", False):
                return await self._delete_collection(request, target)
            case _:
                raise method_not_allowed()

    async def _handle_subresource(
        self, request: web.BaseRequest, target: Target
    ) -> web.StreamResponse:
        match (target.subresource, request.method):
            case ("status", "GET"):
                return self._get(request, target)
            case ("status" | "finalize", "PUT"):
                return await self._update(request, target)
            case ("status", "PATCH"):
                return await self._patch(request, target)
            case ("log", "GET"):
                return await self._logs.serve(request, target)
            case ("binding", "POST"):
                self._do.bind(target, await read_body(request, "Binding"))
                return _json(201, _encode(success(201)))
            case ("eviction", "POST"):
                body = await read_body(request, "Eviction")
                inner = body.get("deleteOptions") if isinstance(body, dict) else None
                self._do.evict(target, delete_options(request.query, inner))
                return _json(201, _encode(success(201)))
            case _:
                raise method_not_allowed()

    async def _watch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        options = watch_options(request.query, target)
        collection = self._store.collection(target.resource)
        lines: Lines = ObjectLines(collection)
        if wants_table(request.headers.get("Accept", "")):
            include = request.query.get("includeObject", "")
            lines = TableLines(collection, include, lambda: self._do.now_s)
        return await self._watches.serve(request, collection, options, lines)

    def _table(self, request: web.BaseRequest, target: Target, page: Page) -> web.Response:
        include = request.query.get("includeObject", "")
        return _json(200, _encode(as_table(target.resource, page, self._do.now_s, include)))

    def _whole(self, target: Target, stored: Stored) -> bytes:
        return self._store.collection(target.resource).whole(stored)

    def _get(self, request: web.BaseRequest, target: Target) -> web.Response:
        stored = self._store.get(target.resource, target.namespace, target.name)
        if wants_table(request.headers.get("Accept", "")):
            page = Page([stored], stored.version)
            return self._table(request, target, page)
        return _json(200, self._whole(target, stored))

    def _list(self, request: web.BaseRequest, target: Target) -> web.Response:
        query = request.query
        wanted = resource_version(query)
        if wanted is not None and wanted > self._store.version:
            raise too_large_version(wanted, self._store.version)
        select, limit = selector(query, target), whole_number(query, "limit") or 0
        token = query.get("continue", "")
        if token:
            page = self._pages.next(token, select, limit)
        else:
            items = self._store.all(target.resource, target.namespace)
            page = self._pages.first(items, self._store.version, select, limit)
        if wants_table(request.headers.get("Accept", "")):
            return self._table(request, target, page)
        return _json(200, _list_body(target, page))

    async def _create(self, request: web.BaseRequest, target: Target) -> web.Response:
        if target.resource.namespaced and not target.namespace:
            raise method_not_allowed()
        body = await read_body(request, target.resource.kind)
        body, warnings = known_fields(request.query, target.resource, body)
        stored = self._do.create(target, body, dry_run(request.query))
        return warn(_json(201, self._whole(target, stored)), warnings)

    async def _update(self, request: web.BaseRequest, target: Target) -> web.Response:
        body = await read_body(request, target.resource.kind)
        body, warnings = known_fields(request.query, target.resource, body)
        stored = self._do.update(target, lambda _shown: body, dry_run(request.query))
        return warn(_json(200, self._whole(target, stored)), warnings)

    async def _patch(self, request: web.BaseRequest, target: Target) -> web.Response:
        raw = await request.read()
        content_type = request.content_type
        if content_type.startswith(_APPLY):
            raise ApiError(415, "UnsupportedMediaType", _NO_APPLY, {})
        try:
            patch = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            raise bad_request(f"error decoding patch: {error}") from error
        patch, warnings = known_fields(request.query, target.resource, patch, target.name)
        stored = self._do.update(
            target,
            lambda shown: apply_patch(content_type, patch, shown),
            dry_run(request.query),
        )
        return warn(_json(200, self._whole(target, stored)), warnings)

    async def _delete(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = delete_options(request.query, await read_optional_body(request))
        stored, _ = self._do.delete(target, options)
        if target.resource.deletes_to_object:
            return _json(200, self._whole(target, stored))
        meta = stored.obj["metadata"]
        return _json(200, _encode(success(200, meta["name"], target.resource, meta["uid"])))

    async def _delete_collection(self, request: web.BaseRequest, target: Target) -> web.Response:
        if target.resource.no_collection or (target.resource.namespaced and not target.namespace):
            raise method_not_allowed()
        options = delete_options(request.query, await read_optional_body(request))
        select = selector(request.query, target)
        items = self._store.all(target.resource, target.namespace)
        selected = self._pages.first(items, 0, select, 0).items
        deleted = self._do.delete_selected(target.resource, selected, options)
        return _json(200, _list_body(target, Page(deleted, self._store.version)))


async def _dispatch_other(request: web.BaseRequest) -> web.Response:
    path = request.path
    if reviews.is_review(path) and request.method == "POST":
        return _json(201, _encode(reviews.answer(path, await read_body(request, "Review"))))
    if path in _HEALTH or path.rpartition("/")[0] in _HEALTH:
        return web.Response(text="ok", content_type="text/plain", charset="utf-8")
    shown = discovery(path, request.headers.get("Host", "")) or openapi(path)
    if shown is not None:
        if request.method != "GET":
            raise method_not_allowed()
        return _json(200, _encode(shown))
    if known_group_version(path):
        raise unknown_path()
    return web.Response(
        status=404, text="404 page not found\n", content_type="text/plain", charset="utf-8"
    )


def openapi(path: str) -> JsonObject | None:
    """Answer a path of the OpenAPI documents; None where it is none."""
    return index() if path.rstrip("/") == INDEX else document(load_types(), path)


def _list_body(target: Target, page: Page) -> bytes:
    meta: JsonObject = {"resourceVersion": str(page.version)}
    if page.token:
        meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    kind, version = target.resource.kind, target.resource.api_version
    head = f'{{"kind":"{kind}List","apiVersion":"{version}","metadata":'.encode()
    items = b",".join(each.body for each in page.items)
    return b'%b%b,"items":[%b]}' % (head, _encode(meta), items)


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _refusal(error: ApiError) -> web.Response:
    response = _json(error.code, _encode(error.body))
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response
