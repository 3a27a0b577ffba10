"""What a pod's containers go through: image, configuration, process, restarts, in order.

Functions over a ``PodWorker``: they change what it shows of each container and return when there
is nothing more to run.
"""

import asyncio
import os
import pathlib
import sys
import uuid
from collections.abc import Mapping
from fractions import Fraction

from runbus.localcluster.client import RequestRefused, ServerUnreachableError
from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.shapes import Container
from runbus.localcluster.runner.environment import (
    ConfigProblem,
    argument_vector,
    build_environment,
    needed_sources,
)
from runbus.localcluster.runner.images import back_off, judge_image
from runbus.localcluster.runner.log_files import LogFile
from runbus.localcluster.runner.processes import RunningProcess, StartError
from runbus.localcluster.runner.programs import memory_limit, resolve_program
from runbus.localcluster.runner.states import (
    ContainerView,
    Running,
    Terminated,
    Waiting,
    exit_reason,
    from_returncode,
    init_policy,
    is_sidecar,
    starts_again,
)
from runbus.localcluster.runner.worker import PodWorker

_SHOWN_S = 5.0  # how long ErrImagePull is shown before ImagePullBackOff, at most
_STEADY_S = 600.0  # a run this long forgets earlier crashes
_START_ERROR = 128
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


async def run_containers(worker: PodWorker) -> None:
    """Run init containers one by one, then the containers together, to their end."""
    if not await worker.prepare_volumes():
        return
    inits = worker.pod.spec.init_containers or ()
    policy = worker.pod.spec.restart_policy or "Always"
    sidecars_end = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for container in inits:
            if is_sidecar(container):
                started = asyncio.Event()
                run = _ContainerRun(worker, container, "Always", started, sidecars_end)
                group.create_task(run.run())
                await started.wait()
            elif not await _ContainerRun(worker, container, init_policy(policy)).run():
                sidecars_end.set()
                _stop_sidecars(worker)
                return
        for container in worker.pod.spec.containers or ():
            view = worker.views[container.name]
            if view.state == Waiting("PodInitializing"):
                worker.show(container.name, ContainerView(Waiting("ContainerCreating")))
        async with asyncio.TaskGroup() as mains:
            for container in worker.pod.spec.containers or ():
                mains.create_task(_ContainerRun(worker, container, policy).run())
        sidecars_end.set()
        _stop_sidecars(worker)


def _stop_sidecars(worker: PodWorker) -> None:
    for container in worker.pod.spec.init_containers or ():
        process = worker.processes.get(container.name)
        if is_sidecar(container) and process is not None:
            process.terminate()


class _ContainerRun:
    """One container through all its restarts."""

    def __init__(
        self,
        worker: PodWorker,
        container: Container,
        policy: str,
        started: asyncio.Event | None = None,
        end: asyncio.Event | None = None,
    ) -> None:
        self._worker = worker
        self._context = worker.context
        self._name = container.name
        self._policy = policy
        self._started = started
        self._end = end
        self._crashes = 0

    @property
    def _container(self) -> Container:
        """The container as the newest pod object has it (its image may change)."""
        every = self._worker.every_container
        return next(each for each in every if each.name == self._name)

    @property
    def _view(self) -> ContainerView:
        return self._worker.views[self._name]

    @property
    def _ending(self) -> bool:
        return self._worker.stopping.is_set() or (self._end is not None and self._end.is_set())

    def _wait_as(self, reason: str, message: str = "") -> None:
        view = self._view
        last = view.state if isinstance(view.state, Terminated) else view.last
        self._worker.show(
            self._name,
            ContainerView(
                Waiting(reason, message), last, view.restarts, view.container_id, view.image_id
            ),
        )

    async def run(self) -> bool:
        """Run until the policy says it is done; True when it succeeded."""
        try:
            return await self._run_to_end()
        finally:
            if self._started is not None:
                self._started.set()

    async def _run_to_end(self) -> bool:
        while not self._ending:
            state = self._view.state
            if not isinstance(state, Terminated):
                ended = await self._run_once()
                if ended is None:
                    return False
                state = ended
            if self._started is not None:
                self._started.set()
            if self._ending or not starts_again(self._policy, state.exit_code):
                return state.exit_code == 0
            if not await self._back_off(state):
                return False
        state = self._view.state
        return isinstance(state, Terminated) and state.exit_code == 0

    async def _back_off(self, state: Terminated) -> bool:
        """Wait as CrashLoopBackOff before the next start; False when the pod is to stop."""
        if state.finished_s - state.started_s >= _STEADY_S:
            self._crashes = 0
        self._crashes += 1
        delay_s = 0.0
        if self._crashes > 1:  # the first restart is immediate, as a kubelet's
            delay_s = self._context.settings.restart_backoff.delay_s(self._crashes - 1)
            meta = self._worker.pod.metadata
            who = f"{meta.name}_{meta.namespace}({meta.uid})"
            shown = f"back-off {_go_duration(delay_s)} restarting failed container"
            self._wait_as("CrashLoopBackOff", f"{shown}={self._name} pod={who}")
            message = f"Back-off restarting failed container {self._name} in pod {who}"
            self._worker.record("Warning", "BackOff", message, self._name)
        if await self._worker.pause(delay_s):
            return False
        view = self._view
        last = view.state if isinstance(view.state, Terminated) else view.last
        waiting = Waiting("ContainerCreating")
        again = ContainerView(waiting, last, view.restarts + 1, view.container_id, view.image_id)
        self._worker.views[self._name] = again
        return True

    async def _run_once(self) -> Terminated | None:
        """Start and wait; None when the pod is to stop before there was a process."""
        if not await self._have_image():
            return None
        prepared = await self._prepare()
        if prepared is None:
            return None
        arguments, environment, folder = prepared
        container_id = f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        try:
            log = self._open_log()
        except OSError as error:
            return self._failed_to_start(f"the log cannot be opened: {error}", container_id)
        try:
            process = await self._context.processes.start(
                resolve_program(arguments, environment, folder),
                environment,
                folder,
                lambda data: log.append(data, self._context.now_s()),
            )
        except StartError as error:
            log.close(self._context.now_s())
            return self._failed_to_start(str(error), container_id)
        try:
            return await self._follow(process, container_id)
        finally:
            log.close(self._context.now_s())

    def _open_log(self) -> LogFile:
        worker, settings = self._worker, self._context.settings
        folder = worker.folder.logs / self._name
        return LogFile(folder, self._view.restarts, settings.max_log_bytes)

    async def _follow(self, process: RunningProcess, container_id: str) -> Terminated:
        worker, view = self._worker, self._view
        started_s = self._context.now_s()
        image_id = f"local/{self._container.image}"
        worker.processes[self._name] = process
        limit = memory_limit(self._container)
        if limit:
            self._context.memory.limit(process.pid, limit)
        worker.show(
            self._name,
            ContainerView(Running(started_s), view.last, view.restarts, container_id, image_id),
        )
        worker.record("Normal", "Started", f"Started container {self._name}", self._name)
        if self._started is not None:
            self._started.set()
        if self._ending:
            process.terminate()
        try:
            returncode = await process.wait()
        finally:
            worker.processes.pop(self._name, None)
            too_much = self._context.memory.release(process.pid)
        exit_code, number = from_returncode(returncode)
        ended = Terminated(
            exit_code,
            "OOMKilled" if too_much else exit_reason(exit_code),
            started_s,
            self._context.now_s(),
            signal=number,
            container_id=container_id,
        )
        last, restarts = view.last, view.restarts
        worker.show(self._name, ContainerView(ended, last, restarts, container_id, image_id))
        return ended

    def _failed_to_start(self, why: str, container_id: str) -> Terminated:
        message = (
            "failed to create containerd task: failed to create shim task: OCI runtime create "
            f"failed: runc create failed: unable to start container process: {why}"
        )
        self._worker.record("Warning", "Failed", f"Error: {message}", self._name)
        ended = Terminated(
            _START_ERROR,
            "StartError",
            0.0,
            self._context.now_s(),
            message,
            container_id=container_id,
        )
        view = self._view
        if starts_again(self._policy, _START_ERROR):
            self._wait_as("RunContainerError", message)
            view = self._view
        shown = ContainerView(ended, view.last, view.restarts, container_id, view.image_id)
        self._worker.show(self._name, shown)
        return ended

    async def _have_image(self) -> bool:
        """Wait until the image is there; False when the pod is to stop before."""
        settings, failures = self._context.settings, 0
        while not self._ending:
            container = self._container
            image = container.image or ""
            problem = judge_image(
                image,
                container.image_pull_policy or "IfNotPresent",
                settings.missing_images,
                frozenset(self._context.pulled),
            )
            if problem is None:
                return await self._pull(image)
            failures += 1
            delay_s = settings.pull_backoff.delay_s(failures)
            if not problem.final:
                self._worker.record("Normal", "Pulling", f'Pulling image "{image}"', self._name)
                text = f'Failed to pull image "{image}": {problem.message}'
                self._worker.record("Warning", "Failed", text, self._name)
            self._wait_as(problem.reason, problem.message)
            self._worker.record("Warning", "Failed", f"Error: {problem.reason}", self._name)
            shown_s = min(delay_s * 0.3, _SHOWN_S)
            if problem.final:
                shown_s = delay_s
            if await self._worker.pause(shown_s):
                return False
            if not problem.final:
                waiting = back_off(image, problem)
                self._wait_as(waiting.reason, waiting.message)
                text = f'Back-off pulling image "{image}"'
                self._worker.record("Normal", "BackOff", text, self._name)
                if await self._worker.pause(delay_s - shown_s):
                    return False
        return False

    async def _pull(self, image: str) -> bool:
        if image in self._context.pulled:
            text = f'Container image "{image}" already present on machine'
            self._worker.record("Normal", "Pulled", text, self._name)
            return True
        if self._context.settings.pull_time_s:
            self._wait_as("ContainerCreating")
            self._worker.record("Normal", "Pulling", f'Pulling image "{image}"', self._name)
            if await self._worker.pause(self._context.settings.pull_time_s):
                return False
        self._context.pulled.add(image)
        self._worker.record("Normal", "Pulled", f'Successfully pulled image "{image}"', self._name)
        return True

    async def _prepare(self) -> tuple[list[str], dict[str, str], str] | None:
        """Arguments, environment and folder; None when the pod is to stop before."""
        while not self._ending:
            try:
                return await self._configure()
            except ConfigProblem as problem:
                self._wait_as("CreateContainerConfigError", str(problem))
                self._worker.record("Warning", "Failed", f"Error: {problem}", self._name)
            except (RequestRefused, ServerUnreachableError) as error:
                self._wait_as("CreateContainerConfigError", str(error))
            except OSError as error:
                self._wait_as("CreateContainerError", f"cannot set up the container: {error}")
            if await self._worker.pause(self._context.settings.config_retry_s):
                return None
        return None

    async def _configure(self) -> tuple[list[str], dict[str, str], str]:
        worker, container = self._worker, self._container
        sources = await worker.references.sources(*needed_sources(container))
        facts = self._context.facts(_allocatable(self._context.settings.capacity))
        own = build_environment(worker.pod, container, sources, facts)
        view = await asyncio.to_thread(worker.folder.mount, container)
        own = {name: view.rewrite(value) for name, value in own.items()}
        environment = {**self._base_environment(), **own}
        arguments = [view.rewrite(each) for each in argument_vector(container, own)]
        folder = worker.folder.working_folder(view, container.working_dir or "")
        self._worker.record("Normal", "Created", f"Created container: {self._name}", self._name)
        return arguments, environment, folder

    def _base_environment(self) -> dict[str, str]:
        worker = self._worker
        own = pathlib.Path(sys.executable).parent
        return {
            "PATH": f"{own}{os.pathsep}{os.environ.get('PATH', _DEFAULT_PATH)}",
            "HOME": str(worker.folder.rootfs),
            "LANG": "C.UTF-8",
            "HOSTNAME": worker.pod.spec.hostname or worker.pod.metadata.name,
            "RUNBUS_LOCAL_ROOT": str(worker.folder.rootfs),
            **self._context.devices.environment(worker.pod.metadata.uid, self._name),
        }


def _allocatable(capacity: Mapping[str, str]) -> dict[str, Fraction]:
    return {name: parse_quantity(text) for name, text in capacity.items()}


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
