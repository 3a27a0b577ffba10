"""Lists in pages: every page of one list shows the cluster at one resourceVersion.

The first page keeps a snapshot (references to stored versions, which never change). There is a
maximum of snapshots; who comes back after his was dropped gets 410 and starts anew.
"""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from runbus.localcluster.rules.errors import (
    ApiError,
    bad_request,
    expired_continue,
    too_large_version,
)
from runbus.localcluster.rules.resources import Resource
from runbus.localcluster.rules.selectors import Selector
from runbus.localcluster.store.history import Stored
from runbus.localcluster.store.store import ObjectStore


class Page(msgspec.Struct, frozen=True):
    """One page: what it shows, at which version, how to go on, and how many are left.

    ``remaining`` is None with selectors, as a kube-apiserver does not count then.
    """

    items: list[Stored]
    version: int
    token: str = ""
    remaining: int | None = None


class _Token(msgspec.Struct, frozen=True):
    v: str
    rv: int
    start: str
    id: int = 0


_VERSION = "meta.k8s.io/v1"


class ListOptions(msgspec.Struct, frozen=True):
    """What to list: ``version`` None means the newest, which every other one but ``exact`` may be.

    ``limit`` 0 is everything; ``token`` goes on where a page ended.
    """

    selector: Selector
    limit: int = 0
    token: str = ""
    version: int | None = None
    exact: bool = False


class Pages:
    """The snapshots of lists that are being read in pages."""

    def __init__(self, most: int = 32) -> None:
        self._snapshots: OrderedDict[int, tuple[int, list[Stored]]] = OrderedDict()
        self._most = most
        self._next = 1

    def of(self, store: ObjectStore, resource: Resource, options: ListOptions) -> Page:
        """The page that is asked for; 504 for a version that is not reached, 410 as ``next``."""
        wanted, newest = options.version, store.version
        namespace = options.selector.namespace
        if wanted is not None and wanted > newest:
            raise too_large_version(wanted, newest)
        if options.token:
            return self.next(options.token, options.selector, options.limit)
        if wanted is not None and options.exact:
            items = store.at(resource, wanted, namespace)
            return self.first(items, wanted, options.selector, options.limit)
        current = store.all(resource, namespace)
        return self.first(current, newest, options.selector, options.limit)

    def first(self, items: Iterable[Stored], version: int, selector: Selector, limit: int) -> Page:
        """The first page of a new list; ``limit`` 0 means everything."""
        if selector.everything:
            selected = list(items)
        else:
            selected = [each for each in items if selector.matches(each.obj)]
        if limit <= 0 or len(selected) <= limit:
            return Page(selected, version)
        number = self._next
        self._next += 1
        self._snapshots[number] = (version, selected)
        while len(self._snapshots) > self._most:
            self._snapshots.popitem(last=False)
        return self._page(number, 0, limit, selector)

    def next(self, token: str, selector: Selector, limit: int) -> Page:
        """The page behind a continue token; 400 for a bad one, 410 for one too old."""
        read = _read(token)
        if read.id not in self._snapshots or not read.start.isdigit():
            raise expired_continue()
        self._snapshots.move_to_end(read.id)
        return self._page(read.id, int(read.start), limit, selector)

    def forget(self) -> None:
        """Drop every snapshot, as a compaction of etcd does: whoever reads on gets 410."""
        self._snapshots.clear()

    def _page(self, number: int, start: int, limit: int, selector: Selector) -> Page:
        version, items = self._snapshots[number]
        end = len(items) if limit <= 0 else start + limit
        left = len(items) - end
        if left <= 0:
            return Page(items[start:], version)
        token = msgspec.json.encode(_Token(_VERSION, version, str(end), number))
        text = base64.urlsafe_b64encode(token).decode().rstrip("=")
        return Page(items[start:end], version, text, left if selector.everything else None)


def _read(token: str) -> _Token:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error) as error:
        raise _bad(str(error)) from error
    if not raw.startswith(b"{"):
        first = raw[:1].decode("latin-1")
        raise _bad(f"invalid character '{first}' looking for beginning of value")
    try:
        read = msgspec.json.decode(raw, type=_Token)
    except msgspec.DecodeError as error:
        raise _bad(str(error)) from error
    if read.v != _VERSION:
        raise _bad(f'server does not recognize this encoded version "{read.v}"')
    return read


def _bad(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")
