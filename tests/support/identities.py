"""A nats-server with the accounts of a deployment, and connections and services under them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg

from runbus.cli.stack.nats import NatsProcess
from runbus.cli.stack.owner import Owner
from runbus.contracts.identities import INIT, Identity, identities
from runbus.sdk.bus import Bus
from runbus.sdk.connecting import connect
from runbus.sdk.credentials import credentials
from runbus.sdk.provision import provision
from runbus_deploy.accounts import accounts_conf, password_variable
from support.authorities import Authority

ACCOUNTS = "accounts.conf"
READY_TIMEOUT_S = 30.0


class GuardedNats(NatsProcess):
    """A server on loopback that includes a deployment's accounts. Passwords stand in files.

    Args:
        folder: for everything.
        owner: of its process.
        allowed: the identities.
        authority: of its certificate; none: it speaks in clear.
        asks_for_certificates: it wants one of whoever connects.

    """

    def __init__(
        self,
        folder: Path,
        owner: Owner,
        allowed: Sequence[Identity],
        *,
        authority: Authority | None = None,
        asks_for_certificates: bool = False,
    ) -> None:
        super().__init__(folder, owner=owner, log=folder.with_suffix(".log"), token="")
        self._identities = tuple(allowed)
        self._authority = authority
        self._asks_for_certificates = asks_for_certificates

    @property
    def url(self) -> str:
        """Its address, without anybody's password."""
        assert self._port is not None, "wait_ready comes first"
        scheme = "nats" if self._authority is None else "tls"
        return f"{scheme}://127.0.0.1:{self._port}"

    @property
    def trust(self) -> dict[str, str]:
        """What `credentials` takes so that the server is trusted, and trusts."""
        if self._authority is None:
            return {}
        found = {"ca_file": self._authority.path("ca.crt")}
        if self._asks_for_certificates:
            found["cert_file"] = self._authority.path("client.crt")
            found["key_file"] = self._authority.path("client.key")
        return found

    def password_file(self, name: str) -> Path:
        """Return where an identity's password stands."""
        return self._folder / f"{name}.password"

    @property
    def monitoring(self) -> str:
        """The address of its monitoring."""
        (ports,) = self._folder.glob("*.ports")
        return str(json.loads(ports.read_bytes())["monitoring"][0])

    async def prepare(self) -> None:
        """Write passwords, accounts and configuration."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for each in self._identities:
            self.password_file(each.name).write_text(f"secret-of-{each.name}\n")
        passwords = {
            password_variable(each.name): f"secret-of-{each.name}" for each in self._identities
        }
        accounts = accounts_conf(self._identities)
        for name, password in passwords.items():
            accounts = accounts.replace(f"${name}\n", f"{json.dumps(password)}\n")
        (self._folder / ACCOUNTS).write_text(accounts)
        self._config.write_text(
            f'listen: "127.0.0.1:{self._port or -1}"\nhttp: "127.0.0.1:-1"\n'
            "server_name: runbus\nmax_payload: 1MB\n"
            f"ports_file_dir: {json.dumps(str(self._folder))}\n"
            f"jetstream {{ store_dir: {json.dumps(str(self._folder / 'store'))} }}\n"
            f"include {json.dumps(ACCOUNTS)}\n" + self._tls()
        )

    def _tls(self) -> str:
        if self._authority is None:
            return ""
        files = {"cert_file": "server.crt", "key_file": "server.key", "ca_file": "ca.crt"}
        lines = [f"  {key}: {json.dumps(self._authority.path(f))}" for key, f in files.items()]
        verify = json.dumps(self._asks_for_certificates)
        return "\n".join(["tls {", *lines, f"  verify: {verify}", "}", ""])


def no_publish(subject: str) -> str:
    """Return how the refusal of a publish is told: the client library writes it in lower case."""
    return f'publish to "{subject.lower()}"'


def no_subscription(subject: str) -> str:
    """Return how the refusal of a subscription is told."""
    return f'subscription to "{subject.lower()}"'


class Session:
    """A connection under one identity, which remembers what it was refused."""

    def __init__(self, bus: Bus, refused: list[str]) -> None:
        self.bus = bus
        self.refused = refused

    async def publish(self, subject: str, body: bytes = b"{}") -> list[str]:
        """Publish, and return everything refused up to then."""
        await self.bus.send(subject, body)
        return await self._told()

    async def subscribe(self, subject: str) -> list[str]:
        """Subscribe, and return everything refused up to then."""

        async def drop(_msg: Msg) -> None:
            return

        await self.bus.subscribe(subject, drop)
        return await self._told()

    async def _told(self) -> list[str]:
        # The server tells refusals before it answers this; two turns let the callback run.
        await self.bus.ping()
        await asyncio.sleep(0)
        return self.refused


@asynccontextmanager
async def session_of(nats: GuardedNats, name: str) -> AsyncIterator[Session]:
    """Connect as an identity for the length of a block."""
    refused: list[str] = []

    def notice(kind: str, text: str) -> None:
        if kind == "refused":
            refused.append(text)

    password_file = str(nats.password_file(name))
    known: dict[str, Any] = credentials(user=name, password_file=password_file, **nats.trust)
    bus = await connect(nats.url, name=name, notice=notice, attempts_max=40, **known)
    try:
        yield Session(bus, refused)
    finally:
        await bus.close()


@asynccontextmanager
async def running_guarded(
    folder: Path,
    allowed: Sequence[Identity] = (),
    *,
    is_provisioned: bool = True,
    authority: Authority | None = None,
    asks_for_certificates: bool = False,
) -> AsyncIterator[GuardedNats]:
    """Run a server with these identities, by default those of an installation."""
    owner = await Owner.start()
    nats = GuardedNats(
        folder / "guarded",
        owner,
        allowed or identities(),
        authority=authority,
        asks_for_certificates=asks_for_certificates,
    )
    try:
        await nats.start()
        await nats.wait_ready(READY_TIMEOUT_S)
        if is_provisioned:
            async with session_of(nats, INIT) as session:
                await provision(session.bus)
        yield nats
    finally:
        await nats.stop(READY_TIMEOUT_S)
        await owner.finish()
