"""The same requests to a real API server and to the local cluster, with the answers side by side.

A case is a coroutine that plays requests through a `Player`, which writes down every answer. Both
transcripts must be equal once what can only differ is named alike: uids and resourceVersions by the
order in which they are, times not at all. What else may differ stands in `WORDS`, each with its
reason, and in ADR 21.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from support.cluster import LocalClusterProcess
from support.control_plane.plane import ControlPlane

JsonObject = dict[str, Any]
JSON, MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
LIMIT_S = 60.0
POLL_S = 0.05
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Player:
    """Plays requests on one API server, in a namespace of the case's own."""

    def __init__(self, session: aiohttp.ClientSession, namespace: str) -> None:
        self._session = session
        self.namespace = namespace
        self.transcript: list[tuple[str, Any]] = []

    async def send(
        self, method: str, path: str, body: Any = None, content_type: str = JSON, **query: str
    ) -> JsonObject:
        """Carry out a request and write down the answer. Relative paths are in the namespace."""
        status, answer = await self.ask(method, path, body, content_type, **query)
        said = "" if body is None else f" {msgspec.json.encode(body).decode()}"
        title = f"{method} {path} {query or ''}{said}"[:200]
        self.transcript.append((title, {"status": status, "answer": answer}))
        return answer if isinstance(answer, dict) else {}

    async def ask(
        self, method: str, path: str, body: Any = None, content_type: str = JSON, **query: str
    ) -> tuple[int, Any]:
        """Carry out a request; nothing is written down."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": content_type}
        sent = None if body is None else data
        address = self._address(path)
        async with self._session.request(
            method, address, params=query, data=sent, headers=headers
        ) as answer:
            raw = await answer.read()
            is_json = answer.content_type == JSON
            return answer.status, msgspec.json.decode(raw) if is_json else raw.decode()

    async def watch(
        self, path: str, until: Callable[[JsonObject], bool] | None = None, /, **query: str
    ) -> list[JsonObject]:
        """Watch until an event is as asked, or the server ends it; write down what was seen."""
        events: list[JsonObject] = []
        asked = {"watch": "true", **query}
        async with (
            asyncio.timeout(LIMIT_S),
            self._session.get(self._address(path), params=asked) as answer,
        ):
            if answer.status != 200:
                events.append(msgspec.json.decode(await answer.read()))
            else:
                async for line in answer.content:
                    events.append(msgspec.json.decode(line))
                    if until is not None and until(events[-1]):
                        break
        self.transcript.append((f"watch {path} {query}", events))
        return events

    async def until(self, path: str, holds: Callable[[int, Any], bool]) -> Any:
        """Ask for an object until something holds of status and object; that is written down."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                status, answer = await self.ask("GET", path)
                if holds(status, answer):
                    break
                await asyncio.sleep(POLL_S)
        self.transcript.append((f"in the end: {path}", {"status": status, "answer": answer}))
        return answer

    async def gone(self, path: str) -> None:
        """Wait until an object is gone."""
        await self.until(path, lambda status, _: status == 404)

    def _address(self, path: str) -> str:
        return path if path.startswith("/") else f"/api/v1/namespaces/{self.namespace}/{path}"


Case = Callable[[Player], Coroutine[Any, Any, None]]
_NUMBERS = count(1)

# Words that are read alike, and why.
WORDS = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        # the difference is shown as Go sees it
        (r"(may not change fields other than).*", r"\1 ..."),
        (r"(immutable after creation except resources.requests).*", r"\1 ..."),
        # a whole object, and what Go's decoder says
        (r"(patch: Invalid value).*", r"\1 ..."),
        (r'^Invalid value: "(\{|map|\[).*', "Invalid value: ..."),
        (r"(ownerReferences: )?Invalid value: \[.*(: Only)", r"\1Invalid value: ...\2"),
        (r"(cannot be handled as a \w+: ).*", r"\1..."),
        # each decoder of JSON has its own words
        (r"^(invalid character|error decoding patch).*", "<no JSON>"),
        (r"(json parse error: ).*", r"\1..."),
        # newer versions tell more of what cannot be selected by, and name the value's place
        (r'^Unable to find "[^"]*" that match label selector "[^"]*", field selector .*": ', ""),
        (r"'=', '!=', '==', 'in', notin'$", "in, notin, =, ==, !=, gt, lt"),
        (r'requirement: (invalid label key "\S+"|<nil>: Invalid value: "\S+")', "requirement: key"),
        (r'invalid label value: "(\S+)": at key: "(\S+)"', r'values[0][\2]: Invalid value: "\1"'),
        (r'values\[0\]\[\w+\]: Invalid value: "\w+": (for \'Gt\')', r"\1"),
        (r"(is forbidden for watch).*", r"\1"),
        # what is forgotten, and how far the server is, is each one's own
        (r"(too old resource version: ).*", r"\1..."),
        (r"(Too large resource version: \d+), .*", r"\1 ..."),
        # 1.20 shows where etcd keeps the object
        (r"StorageError: .* AdditionalErrorMsg: ", ""),
    )
)
_LISTS = re.compile(r"(List|Table)$")


class _Names:
    """Names alike what stands for the same thing on both sides."""

    def __init__(self, transcript: list[tuple[str, Any]], with_owners: bool) -> None:
        self._with_owners = with_owners
        self._uids: dict[str, str] = {}
        versions: dict[str, set[int]] = {}
        self._learn(transcript, versions)
        self._versions = {
            str(each): f"<version {i} of {self._uids[uid]}>"
            for uid, seen in versions.items()
            for i, each in enumerate(sorted(seen))
        }

    def _learn(self, value: Any, versions: dict[str, set[int]]) -> None:
        if isinstance(value, dict):
            meta = value.get("metadata")
            if isinstance(meta, dict) and "uid" in meta:
                version = str(meta.get("resourceVersion") or "")
                versions.setdefault(meta["uid"], set()).update({int(version)} if version else ())
            for each in value.values():
                self._learn(each, versions)
        elif isinstance(value, list | tuple):
            for each in value:
                self._learn(each, versions)
        elif isinstance(value, str):
            for each in _UID.findall(value):
                self._uids.setdefault(each, f"<uid {len(self._uids)}>")

    def text(self, text: str) -> str:
        for pattern, words in WORDS:
            text = pattern.sub(words, text)
        text = _UID.sub(lambda found: self._uids.get(found[0], found[0]), text)
        text = _TIME.sub("<time>", text)
        return re.sub(r"\b\d+\b", lambda found: self._versions.get(found[0], found[0]), text)

    def value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            kept = dict(value)
            if "managedFields" in kept and not self._with_owners:
                del kept["managedFields"]
            if _LISTS.search(str(value.get("kind"))) and isinstance(value.get("metadata"), dict):
                meta = {**value["metadata"], "resourceVersion": "<of a list>"}
                kept["metadata"] = meta | ({"continue": "<token>"} if "continue" in meta else {})
            return {name: self.value(each, name) for name, each in sorted(kept.items())}
        if isinstance(value, list | tuple):
            if key == "managedFields":  # listed by time, of which there are two to a second
                value = sorted(value, key=lambda each: (each["operation"], each["manager"]))
            if key == "causes" and value[0]["reason"] == "FieldManagerConflict":  # in no order
                value = sorted(value, key=lambda each: (each["message"], each["field"]))
            shown = [self.value(each, key) for each in value]
            return [
                each for i, each in enumerate(shown) if key != "causes" or each not in shown[:i]
            ]
        if isinstance(value, str):
            plain = key in {"message", "resourceVersion", "deletionTimestamp", "continue"}
            return self.text(value) if plain or not value.isdigit() else value
        return value


def normalised(transcript: list[tuple[str, Any]], with_owners: bool) -> list[tuple[str, Any]]:
    """The transcript with what stands for the same thing named alike.

    ``with_owners``: with managedFields, which the local cluster keeps from the first server-side
    apply on.
    """
    names = _Names(transcript, with_owners)
    return [(names.text(title), names.value(answer)) for title, answer in transcript]


def differences(real: Any, local: Any, path: str = "") -> list[str]:
    """One line for each place where two answers differ."""
    if isinstance(real, dict) and isinstance(local, dict):
        if real.get("status") != local.get("status") and not path:
            return [f"real {_short(real)}", f"local {_short(local)}"]
        keys = list(dict.fromkeys([*real, *local]))
        none = "(absent)"
        return [
            line
            for key in keys
            for line in differences(real.get(key, none), local.get(key, none), f"{path}.{key}")
        ]
    if isinstance(real, list) and isinstance(local, list) and len(real) == len(local):
        pairs = enumerate(zip(real, local, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    return [] if real == local else [f"{path}: real {real!r}, local {local!r}"]


def _short(answer: JsonObject) -> str:
    told = answer["answer"]
    if isinstance(told, dict):
        told = told.get("message") or told.get("kind")
    return f"{answer['status']} {told}"


def compared(real: Player, local: Player, with_owners: bool) -> list[str]:
    """Where the transcripts differ, step by step."""
    left = normalised(real.transcript, with_owners)
    right = normalised(local.transcript, with_owners)
    found: list[str] = []
    for (title, answer), (_, ours) in zip(left, right, strict=True):
        lines = differences(answer, ours)
        found += [f"{title}:", *(f"    {each}" for each in lines)] if lines else []
    return found


class BothServers:
    """A real API server and a local cluster, on which cases are played at the same time."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane = plane
        self._process = LocalClusterProcess(
            folder / "local", scheduler=False, runner=False, create_namespaces=False
        )
        self._runner = asyncio.Runner()
        self._sessions: list[aiohttp.ClientSession] = []

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    def same(self, case: Case, *, with_owners: bool = False) -> None:
        """Play a case on both; every answer must be the same."""
        real, local = self.play(case)
        told = compared(real, local, with_owners)
        assert not told, "\n".join(told)

    def play(self, case: Case) -> tuple[Player, Player]:
        """Play a case on both, each in a namespace of its own that has the same name."""
        return self._runner.run(self._play(case, f"side-{next(_NUMBERS)}"))

    async def _start(self) -> None:
        await self._process.start()
        tls = ssl.create_default_context(cafile=self._plane.keys.path("ca.crt"))
        self._sessions = [
            aiohttp.ClientSession(
                url,
                headers={"Authorization": f"Bearer {token}", "User-Agent": "test/1"},
                connector=aiohttp.TCPConnector(ssl=tls),
            )
            for url, token in (
                (self._plane.url, self._plane.keys.tokens["admin"]),
                (self._process.url, self._process.token),
            )
        ]

    async def _stop(self) -> None:
        for each in self._sessions:
            await each.close()
        await self._process.stop()

    async def _play(self, case: Case, namespace: str) -> tuple[Player, Player]:
        real, local = (Player(each, namespace) for each in self._sessions)
        await asyncio.to_thread(self._plane.create_namespace, namespace)
        await local.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        async with asyncio.TaskGroup() as group:
            for player in (real, local):
                group.create_task(case(player))
        for player in (real, local):
            await player.ask("DELETE", f"/api/v1/namespaces/{namespace}")
        return real, local
