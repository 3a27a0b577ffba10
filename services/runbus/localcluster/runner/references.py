"""Fetches what pods refer to: secrets and config maps, for environment and volumes."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from runbus.localcluster.client import ApiClient, RequestRefused
from runbus.localcluster.rules.shapes import KeyToPath, Pod
from runbus.localcluster.runner.environment import Sources
from runbus.localcluster.runner.volumes import Content, MountProblem

_NOT_FOUND = 404


class _Data(msgspec.Struct, rename="camel"):
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class References:
    """Reads secrets and config maps of one namespace. Raises the client's errors."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._base = f"/api/v1/namespaces/{namespace}"

    async def sources(self, secrets: Iterable[str], config_maps: Iterable[str]) -> Sources:
        """What an environment needs, decoded to text; None for what does not exist."""
        return Sources(
            {name: _text(await self.secret(name)) for name in secrets},
            {name: _text(await self.config_map(name)) for name in config_maps},
        )

    async def secret(self, name: str) -> dict[str, bytes] | None:
        """The data of a secret."""
        found = await self._get(f"{self._base}/secrets/{name}")
        if found is None:
            return None
        return {key: base64.b64decode(value) for key, value in (found.data or {}).items()}

    async def config_map(self, name: str) -> dict[str, bytes] | None:
        """The data of a config map, text and binary."""
        found = await self._get(f"{self._base}/configmaps/{name}")
        if found is None:
            return None
        text = {key: value.encode() for key, value in (found.data or {}).items()}
        binary = {k: base64.b64decode(v) for k, v in (found.binary_data or {}).items()}
        return {**text, **binary}

    async def _get(self, path: str) -> _Data | None:
        try:
            return msgspec.json.decode(await self._client.get(path), type=_Data)
        except RequestRefused as refusal:
            if refusal.code == _NOT_FOUND:
                return None
            raise

    async def volume_content(self, pod: Pod) -> dict[str, Content]:
        """The files of every configMap and secret volume; raises MountProblem."""
        content: dict[str, Content] = {}
        for volume in pod.spec.volumes or ():
            if volume.config_map is not None:
                source: Any = volume.config_map
                kind, name = "configmap", volume.config_map.name
                data = await self.config_map(name)
            elif volume.secret is not None:
                source = volume.secret
                kind, name = "secret", volume.secret.secret_name
                data = await self.secret(name)
            else:
                continue
            content[volume.name] = _checked(
                volume.name, kind, name, data, source.items or [], bool(source.optional)
            )
        return content


def _checked(
    volume: str,
    kind: str,
    name: str,
    data: dict[str, bytes] | None,
    items: list[KeyToPath],
    optional: bool,
) -> Content:
    head = f'MountVolume.SetUp failed for volume "{volume}" : '
    if data is None:
        if optional:
            return {}
        raise MountProblem(f'{head}{kind} "{name}" not found')
    for item in items:
        if item.key not in data and not optional:
            raise MountProblem(f"{head}{kind} references non-existent {kind} key: {item.key}")
    return data


def _text(data: dict[str, bytes] | None) -> dict[str, str] | None:
    if data is None:
        return None
    return {key: value.decode(errors="replace") for key, value in data.items()}
