"""The HTTP side of the API server: authentication, dispatch by path and verb, answers.

Holds no rules: those are in ``rules``; ``operations`` puts them together with the store.
"""

import asyncio
import hmac
from typing import Any

import msgspec
from aiohttp import web

from runbus.localcluster.api import applying, reviews
from runbus.localcluster.api.bodies import known_fields, read_body, read_optional_body, warn
from runbus.localcluster.api.discovery import discovery, known_group_version
from runbus.localcluster.api.faults import Fault, Faults
from runbus.localcluster.api.journal import JournalError
from runbus.localcluster.api.node_orders import give_order
from runbus.localcluster.api.operations import Operations
from runbus.localcluster.api.pod_logs import PodLogs
from runbus.localcluster.api.queries import (
    delete_options,
    dry_run,
    flag,
    list_options,
    patch_of,
    resource_version,
    selector,
    watch_options,
)
from runbus.localcluster.api.tables import as_table, wants_table
from runbus.localcluster.api.watching import Lines, ObjectLines, TableLines, Watches
from runbus.localcluster.rules.errors import (
    ApiError,
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
_HEALTH = frozenset(("/healthz", "/livez", "/readyz"))
_OPEN = _HEALTH | {"/version", "/version/"}
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
        self._token = token.encode()
        self._pages = Pages()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request; refusals become Status objects."""
        try:
            self._authenticate(request)
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

    def _authenticate(self, request: web.BaseRequest) -> None:
        """Check the token."""
        given = request.headers.get("Authorization", "")
        if request.path in _OPEN and not given:
            return
        if not hmac.compare_digest(_token_of(given).encode(), self._token):
            raise unauthorized()

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
            case ("GET", True):
                return self._get(request, target)
            case ("GET", False):
                watch = flag(request.query, "watch")
                return await self._watch(request, target) if watch else self._list(request, target)
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
        wanted = resource_version(request.query)
        if wanted is not None and wanted > self._store.version:
            raise too_large_version(wanted, self._store.version)
        stored = self._store.get(target.resource, target.namespace, target.name)
        if wants_table(request.headers.get("Accept", "")):
            page = Page([stored], stored.version)
            return self._table(request, target, page)
        return _json(200, self._whole(target, stored))

    def _list(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = list_options(request.query, target)
        page = self._pages.of(self._store, target.resource, options)
        if wants_table(request.headers.get("Accept", "")):
            return self._table(request, target, page)
        return _json(200, _list_body(target, page))

    async def _create(self, request: web.BaseRequest, target: Target) -> web.Response:
        if target.resource.namespaced and not target.namespace:
            raise method_not_allowed()
        body = await read_body(request, target.resource.kind)
        body, warnings = known_fields(request.query, target.resource, body)
        stored = self._do.create(target, body, dry_run(request.query, "CreateOptions"))
        return warn(_json(201, self._whole(target, stored)), warnings)

    async def _update(self, request: web.BaseRequest, target: Target) -> web.Response:
        body = await read_body(request, target.resource.kind)
        body, warnings = known_fields(request.query, target.resource, body)
        dry = dry_run(request.query, "UpdateOptions")
        writer = self._do.writer(target, _manager(request))
        stored = self._do.update(target, lambda _shown: body, dry, writer)
        return warn(_json(200, self._whole(target, stored)), warnings)

    async def _patch(self, request: web.BaseRequest, target: Target) -> web.Response:
        dry = dry_run(request.query, "PatchOptions")
        if request.content_type == applying.CONTENT_TYPE:
            wanted = applying.read_apply(request.query, target, await request.read())
            writer = self._do.writer(target, wanted.manager)
            stored, is_new = self._do.apply(
                target, wanted.config, writer, force=wanted.force, dry_run=dry
            )
            return _json(201 if is_new else 200, self._whole(target, stored))
        apply = patch_of(request.content_type, await request.read())
        applying.check_patch_options(request.query, applies=False)
        warnings: list[str] = []

        def change(shown: JsonObject) -> Any:
            body, told = known_fields(request.query, target.resource, apply(shown), target.name)
            warnings.extend(told)
            return body

        writer = self._do.writer(target, _manager(request))
        stored = self._do.update(target, change, dry, writer, patched=True)
        return warn(_json(200, self._whole(target, stored)), warnings)

    async def _delete(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = delete_options(request.query, await read_optional_body(request))
        stored, gone = self._do.delete(target, options)
        if target.resource.deletes_to_object or not gone:
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
        page = Page(selected, self._store.version)
        self._do.delete_selected(target.resource, selected, options)
        return _json(200, _list_body(target, page))


def _manager(request: web.BaseRequest) -> str:
    """Who writes: said by the client, or the start of its name."""
    agent = request.headers.get("User-Agent", "").partition("/")[0]
    return request.query.get("fieldManager") or agent or "unknown"


def _token_of(authorization: str) -> str:
    """The bearer token of an Authorization header, "" where there is none."""
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


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
