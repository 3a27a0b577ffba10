"""What a connection to Kubernetes says of who it is, and how that is kept valid.

Tokens run out: those of exec plugins (EKS, GKE, AKS) after minutes, a service account's after an
hour; client certificates after months. kubernetes_asyncio reads a kubeconfig once; here it is read
again, plugin and all, before a token runs out where that is known, and when the API server refuses
it. It must not know requests.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbus.runtime.clock import Clock, SystemClock
from runbus.runtime.config import ConfigError, KubeConfig
from runbus.runtime.kube_library import KubeLibrary

# A plugin starts a process and mostly asks a cloud: never for each of many refused requests.
RENEW_EVERY_S = 5.0
EARLY = timedelta(seconds=60)
EARLY_SHARE = 4  # of a short life, renewed when three quarters are over
# What a kubeconfig says of a connection, by the names of kubernetes_asyncio's configuration.
_OF_KUBECONFIG = (
    "api_key",
    "host",
    "ssl_ca_cert",
    "cert_file",
    "key_file",
    "verify_ssl",
    "tls_server_name",
    "proxy",
)
_CERTIFICATES = ("ssl_ca_cert", "cert_file", "key_file")

# Sets the credentials in the configuration; returns when they run out, where that is known.
Load = Callable[[], Awaitable[datetime | None]]


class CredentialsError(Exception):
    """There are no valid credentials now; the message says what is in the way."""


class Credentials:
    """The credentials of one connection. `generation` counts how often they were renewed.

    `certificates` is a digest of what connections show and trust: other ones need connections anew.
    """

    def __init__(
        self, configuration: Any, load: Load | None = None, clock: Clock | None = None
    ) -> None:
        self._configuration = configuration
        self._load = load
        self._clock = clock or SystemClock()
        self._loading = asyncio.Lock()
        self._tried_at = float("-inf")
        self._expires_at: datetime | None = None
        self._renew_at: datetime | None = None
        self.generation = 0
        self.certificates = b""

    async def load(self) -> None:
        """Load them for the first time; raises what kubernetes_asyncio raises."""
        if self._load is None:
            return
        self._expires_at = await self._load()
        self.certificates = await asyncio.to_thread(_digest, self._configuration)
        self._renew_at = None
        if self._expires_at is not None:
            left = max(self._expires_at - self._clock.now(), timedelta())
            self._renew_at = self._expires_at - min(EARLY, left / EARLY_SHARE)

    async def headers(self) -> dict[str, str]:
        """Return the headers that a request carries, renewed in time.

        Raises:
            CredentialsError: they have run out, and there are no new ones.

        """
        if self._renew_at is not None and self._clock.now() >= self._renew_at:
            await self._renew_early()
        return await self._headers()

    async def renew(self, refused: int) -> bool:
        """Get other credentials than those refused; False where there are none, or not yet.

        Args:
            refused: the generation that the API server refused.

        Raises:
            CredentialsError: they cannot be loaded.

        """
        if self._load is None:
            return False
        async with self._loading:
            if self.generation != refused:
                return True  # another request has renewed them meanwhile
            now = self._clock.monotonic()
            if now - self._tried_at < RENEW_EVERY_S:
                return False
            self._tried_at = now
            before = (await self._headers(), self.certificates)
            try:
                await self.load()
            except Exception as error:
                raise CredentialsError(f"cannot renew the credentials: {_told(error)}") from error
            if (await self._headers(), self.certificates) == before:
                return False
            self.generation += 1
            return True

    async def _renew_early(self) -> None:
        """Renew what still holds for a while: nobody waits for it, or for its failing."""
        holds = self._expires_at is None or self._clock.now() < self._expires_at
        if holds and self._loading.locked():
            return
        try:
            await self.renew(self.generation)
        except CredentialsError:
            if not holds:
                raise

    async def _headers(self) -> dict[str, str]:
        try:
            found = await self._configuration.auth_settings()
        except Exception as error:  # its hook reads a service account's token again, for one
            raise CredentialsError(f"cannot read the credentials: {_told(error)}") from error
        return {
            each["key"]: each["value"]
            for each in found.values()
            if each["in"] == "header" and each["value"]
        }


async def credentials_of(
    config: KubeConfig, configuration: Any, library: KubeLibrary
) -> Credentials:
    """Return the credentials that the settings name, loaded into a configuration.

    Raises:
        ConfigError: there is no usable configuration.

    """
    in_cluster = not config.kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ
    load = (
        _in_cluster(configuration, library)
        if in_cluster
        else _from_file(config, configuration, library.kube_config)
    )
    credentials = Credentials(configuration, load)
    try:
        await credentials.load()
    except (library.config.ConfigException, OSError) as error:
        text = f"no usable Kubernetes configuration: {error} (set RUNBUS_KUBECONFIG)"
        raise ConfigError(text) from error
    return credentials


def _in_cluster(configuration: Any, library: KubeLibrary) -> Load:
    async def load() -> datetime | None:
        library.config.load_incluster_config(client_configuration=configuration)
        return None  # it sets a hook that reads the token's file again every minute

    return load


def _from_file(config: KubeConfig, configuration: Any, kube_config: Any) -> Load:
    path = config.kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    kept: Any = None

    async def load() -> datetime | None:
        nonlocal kept
        # Read again, because tokens are written into the file, too. What an OpenID provider gave
        # is nowhere but in the loader: its refresh tokens may be good for one use only.
        if kept is None or kept.provider != kube_config.PROVIDER_TYPE_OIDC:
            merger = await asyncio.to_thread(kube_config.KubeConfigMerger, path)
            kept = kube_config.KubeConfigLoader(
                config_dict=merger.config,
                config_base_path=None,
                active_context=config.kube_context or None,
            )
        # Set as a whole, and only then: a plugin may take seconds, and of what the kubeconfig
        # does not say any more (a token, where there is a certificate now) nothing may be left.
        fresh = type(configuration)()
        await kept.load_and_set(fresh)
        for name in _OF_KUBECONFIG:
            setattr(configuration, name, getattr(fresh, name))
        expiry: datetime | None = getattr(kept, "exec_plugin_expiry", None)
        return expiry

    return load


def _digest(configuration: Any) -> bytes:
    found = hashlib.sha256()
    for name in _CERTIFICATES:
        path = getattr(configuration, name, None)
        found.update(hashlib.sha256(Path(path).read_bytes() if path else b"").digest())
    return found.digest()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
