"""What `runbus up` does: start a stack, tell how to use it, keep it running, end it."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from runbus.cli.connection import (
    Context,
    forget_context,
    is_alive,
    read_context,
    without_secrets,
    write_context,
)
from runbus.cli.defaults import read_defaults
from runbus.cli.exits import Exit
from runbus.cli.output.printing import say
from runbus.cli.output.revisions import told
from runbus.cli.problems import CliError
from runbus.cli.stack.folder import locked
from runbus.cli.stack.process import StackError, first_stack_error
from runbus.cli.stack.stack import Stack
from runbus.cli.stack.supervisor import supervise
from runbus.sdk.client import connect
from runbus.sdk.defaults import newest_defaults


class Up(Struct, frozen=True, kw_only=True):
    """What `runbus up` was told; see its help."""

    persist: Path | None = None
    defaults: Path | None = None
    kubeconfig: str | None = None
    context: str | None = None
    log_dir: Path | None = None
    ready_file: Path | None = None
    cluster_options: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    quiet: bool = False

    async def run(self) -> Exit:
        """Run until SIGINT or SIGTERM.

        Raises:
            CliError: something does not start, or keeps dying.

        """
        self._check()
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        folder = self.persist or Path(tempfile.mkdtemp(prefix="runbus-"))
        try:
            with locked(folder):
                return await self._run(folder.absolute(), stopping)
        except (StackError, BaseExceptionGroup) as error:
            known = first_stack_error(error)
            if known is None:
                raise
            what, _, why = str(known).partition("\n")
            raise CliError(what, why=why, code=Exit.UNREACHABLE) from error

    async def _run(self, folder: Path, stopping: asyncio.Event) -> Exit:
        stack = Stack(
            folder,
            defaults=self.defaults,
            localcluster_options=self.local_options(),
            kubeconfig=self.kubeconfig,
            context=self.context,
            logs=self.log_dir.absolute() if self.log_dir is not None else None,
            is_temporary=self.persist is None,
            progress=self._say,
        )
        self._say("starting the bus, the cluster and the services")
        async with asyncio.TaskGroup() as tasks:
            main = tasks.create_task(self._live(stack))
            await _first_of(main, stopping)
            self._say("stopping")
            main.cancel()
        return Exit.DONE

    async def _live(self, stack: Stack) -> None:
        async with stack:
            before = read_context(os.environ)
            if before is not None and is_alive(before.pid):
                say(
                    f"note: other commands talked to the `runbus up` of process {before.pid} so far"
                )
            self._welcome(stack)
            await self._tell_defaults(stack.nats_url)
            try:
                await supervise(stack.processes, say)
            finally:
                forget_context(os.getpid(), os.environ, before)
                if self.ready_file is not None:
                    self.ready_file.unlink(missing_ok=True)

    def local_options(self) -> tuple[str, ...]:
        """Return the arguments of the local cluster.

        Raises:
            CliError: there are some, but another cluster was asked for.

        """
        options = (*self.cluster_options, *(f"--node={each}" for each in self.nodes))
        if options and (self.kubeconfig is not None or self.context is not None):
            raise CliError(
                f"{options[0]} is for the local cluster, but another cluster was asked for",
                way_out="leave out --node and --cluster-option, or --kubeconfig and --context",
            )
        return options

    def _check(self) -> None:
        self.local_options()
        for path in (self.defaults, self.kubeconfig):
            if path is not None and not Path(path).is_file():
                raise CliError(f"{path}: no such file")
        read_defaults(self.defaults)

    def _welcome(self, stack: Stack) -> None:
        context = Context(
            nats_url=stack.nats_url,
            kubeconfig=stack.kubeconfig,
            dir=str(stack.folder),
            pid=os.getpid(),
        )
        write_context(context, os.environ)
        if self.ready_file is not None:
            _write_ready(self.ready_file, stack)
        self._say("")
        self._say(f"bus         {without_secrets(stack.nats_url)}")
        self._say(f"kubeconfig  {stack.kubeconfig or '(your default)'}")
        if stack.cluster is not None:
            self._say(f"kubectl     export KUBECONFIG={shlex.quote(stack.kubectl_kubeconfig)}")
        self._say(f"logs        {stack.logs}")
        self._say("try         runbus submit --watch -f examples/hello.yaml")
        self._say("Ctrl-C stops everything.")

    async def _tell_defaults(self, nats_url: str) -> None:
        """Say where a kept bus has defaults of its own, which win over the file that was given."""
        if self.defaults is None:
            return
        async with connect(nats_url, name="runbus-up") as client:
            newest = await newest_defaults(client.bus)
        if newest is None or newest.content in (None, self.defaults.read_bytes()):
            return
        self._say(f"note: {self.defaults} has no effect: the bus has defaults, {told(newest)}")
        self._say(f"  -> runbus defaults diff -f {self.defaults}; `set -f` brings it to the bus")

    def _say(self, line: str) -> None:
        if not self.quiet:
            say(line)


async def _first_of(main: asyncio.Task[None], stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(stopping.wait())
        await asyncio.wait({main, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


def _write_ready(path: Path, stack: Stack) -> None:
    content = {
        "nats_url": stack.nats_url,
        "kubeconfig": stack.kubeconfig,
        "kubectl_kubeconfig": stack.kubectl_kubeconfig,
        "dir": str(stack.folder),
        "logs": str(stack.logs),
        "pid": os.getpid(),
        "processes": {each.name: {"pid": each.pid} for each in stack.processes},
        "health": {name: each.health_url for name, each in stack.services.items()},
    }
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(content))
    new.replace(path)
