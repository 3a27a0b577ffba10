"""One pod on this node, from its first sight to its end.

``PodWorker`` holds what is known of the pod and its containers, reports the status when it
changed, stops everything when the pod is to end, and confirms its deletion. What a container goes
through is in ``container.py``; what the status says is ``states.py`` (pure).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from runbus.localcluster.client import (
    STRATEGIC_MERGE_PATCH,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.recorder import About
from runbus.localcluster.rules.shapes import Container, Pod
from runbus.localcluster.rules.timestamps import from_time
from runbus.localcluster.runner.adoption import adopted_views
from runbus.localcluster.runner.context import RunnerContext
from runbus.localcluster.runner.devices import NoDevice
from runbus.localcluster.runner.processes import RunningProcess
from runbus.localcluster.runner.references import References
from runbus.localcluster.runner.states import (
    ContainerView,
    PodFacts,
    Running,
    Terminated,
    Waiting,
    pod_status,
)
from runbus.localcluster.runner.volumes import MountProblem, PodFolder

JsonObject = dict[str, Any]
_ENDED = ("Succeeded", "Failed")
_SHUTDOWN = "Pod was terminated in response to imminent node shutdown."
_DEFAULT_GRACE_S = 30
_RETRY_S = 0.2
_RETRY_MAX_S = 5.0
_log = structlog.get_logger("runner")


class PodWorker:
    """Runs one pod. ``update`` brings news of the pod object; ``run`` ends when all is done."""

    def __init__(self, context: RunnerContext, pod: Pod) -> None:
        self.context = context
        self.pod = pod
        self.folder = PodFolder(context.folder, pod)
        self.references = References(context.client, pod.metadata.namespace)
        self.views: dict[str, ContainerView] = {}
        self.processes: dict[str, RunningProcess] = {}
        self.stopping = asyncio.Event()
        self._news = asyncio.Event()
        self._dirty = asyncio.Event()
        self._gone = False
        self._finished = False
        self._over = False
        self._failure = ("", "")
        self._disruption = ""
        self._kill_at_s: float | None = None
        self._sent: JsonObject = {}
        self._started_s = context.now_s()
        self._containers_done = asyncio.Event()
        initial = "PodInitializing" if pod.spec.init_containers else "ContainerCreating"
        for each in self.every_container:
            self.views[each.name] = ContainerView(Waiting(initial))

    @property
    def every_container(self) -> list[Container]:
        """Init containers, then containers."""
        return [*(self.pod.spec.init_containers or ()), *(self.pod.spec.containers or ())]

    @property
    def path(self) -> str:
        """The pod's path on the API server."""
        meta = self.pod.metadata
        return f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}"

    def update(self, pod: Pod) -> None:
        """Take a newer version of the pod object."""
        self.pod = pod
        self._news.set()

    def object_gone(self) -> None:
        """The pod object is gone: stop at once and write nothing more."""
        self._gone = True
        self._news.set()

    def show(self, name: str, view: ContainerView) -> None:
        """Change what is shown of a container."""
        if self.views[name] != view:
            self.views[name] = view
            self._dirty.set()

    def record(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """Write a Kubernetes event about the pod or one of its containers."""
        inits = {each.name for each in self.pod.spec.init_containers or ()}
        block = "initContainers" if container in inits else "containers"
        field = f"spec.{block}{{{container}}}" if container else ""
        self.context.recorder.record(About.pod(self.pod.metadata, field), kind, reason, message)

    async def pause(self, seconds: float) -> bool:
        """Wait, but not longer than until the pod is to stop; True when it is."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True

    async def run(self, run_containers: Callable[["PodWorker"], Awaitable[None]]) -> None:
        """Run the pod to its end, report it, and confirm its deletion when that is asked for."""
        self._adopt()
        self._admit()
        self._dirty.set()
        async with asyncio.TaskGroup() as group:
            reporter = group.create_task(self._report_for_ever())
            stopper = group.create_task(self._stop_on_demand())
            try:
                if not self._over and self._failure[0] == "":
                    await run_containers(self)
            finally:
                self.context.devices.free(self.pod.metadata.uid)
            self._containers_done.set()
            self._finished = True
            self._dirty.set()
            await reporter
            stopper.cancel()
        await self._confirm_deletion()

    def _adopt(self) -> None:
        """Take over a pod that ran before this runner started: its processes are gone."""
        known = self.pod.status.start_time
        if known:
            self._started_s = from_time(known)
        now_s = self.context.now_s()
        for name, view in adopted_views(self.pod.status, now_s).items():
            if name in self.views:
                self.views[name] = view
        # an ended pod stays as it is, whatever its restart policy
        self._over = self.pod.status.phase in _ENDED

    def _admit(self) -> None:
        """Take the pod's devices, or fail it as a kubelet does."""
        if self._over or self._failure[0]:
            return
        try:
            self.context.devices.allot(self.pod)
        except NoDevice as problem:
            self._failure = ("UnexpectedAdmissionError", str(problem))
            self.record("Warning", "UnexpectedAdmissionError", str(problem))

    def shut_down(self, grace_s: float) -> None:
        """The node goes away: end the pod within the grace, and say so."""
        if self._over or self._finished or self._failure[0]:
            return
        self._disruption = _SHUTDOWN
        self._failure = ("Terminated", _SHUTDOWN)
        own_s = self.pod.spec.termination_grace_period_seconds
        self._stop(min(grace_s, _DEFAULT_GRACE_S if own_s is None else own_s))
        self._dirty.set()
        self._news.set()

    def reject(self, reason: str, message: str) -> None:
        """Fail a pod that has not begun: the node does not take it."""
        self._failure = (reason, message)

    async def prepare_volumes(self) -> bool:
        """Set up the pod's volumes, however long it takes; False when it is to stop."""
        while not self.stopping.is_set():
            try:
                content = await self.references.volume_content(self.pod)
                await asyncio.to_thread(self.folder.prepare, content)
                return True
            except MountProblem as problem:
                self.record("Warning", "FailedMount", str(problem))
            except (RequestRefused, ServerUnreachableError, OSError) as error:
                self.record("Warning", "FailedMount", f"volumes cannot be set up: {error}")
            await self.pause(self.context.settings.config_retry_s)
        return False

    async def _stop_on_demand(self) -> None:
        """Watch for deletion and deadline; terminate, and kill when the grace is over."""
        while not self._containers_done.is_set():
            self._news.clear()
            wait_s = self._judge()
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _judge(self) -> float | None:
        """Do what is due now; gives the seconds to the next thing that will be due."""
        now_s = self.context.now_s()
        meta = self.pod.metadata
        if self._gone:
            self._stop(0)
        elif meta.deletion_timestamp:
            grace_s = meta.deletion_grace_period_seconds or 0
            begun_s = from_time(meta.deletion_timestamp) - grace_s
            self._stop(max(0.0, min(begun_s + grace_s, now_s + grace_s) - now_s))
        deadline_s = self._deadline_s()
        if deadline_s is not None and now_s >= deadline_s and not self._failure[0]:
            message = "Pod was active on the node longer than the specified deadline"
            self._failure = ("DeadlineExceeded", message)
            grace_s = self.pod.spec.termination_grace_period_seconds or 0
            self.record("Normal", "DeadlineExceeded", message)
            self._stop(grace_s)
        if self._kill_at_s is not None and now_s >= self._kill_at_s:
            for process in self.processes.values():
                process.kill()
            return 0.5
        due = [each for each in (self._kill_at_s, deadline_s) if each is not None and each > now_s]
        return min(due) - now_s if due else None

    def _deadline_s(self) -> float | None:
        limit = self.pod.spec.active_deadline_seconds
        return None if limit is None else self._started_s + limit

    def _stop(self, grace_s: float) -> None:
        kill_at_s = self.context.now_s() + grace_s
        if self._kill_at_s is None or kill_at_s < self._kill_at_s:
            self._kill_at_s = kill_at_s
        if not self.stopping.is_set():
            self.stopping.set()
            for name, process in list(self.processes.items()):
                self.record("Normal", "Killing", f"Stopping container {name}", name)
                process.terminate()

    def facts(self) -> PodFacts:
        """What the status needs besides the containers."""
        reason, message = self._failure
        running = any(isinstance(each.state, Running) for each in self.views.values())
        if self._disruption and running:
            reason = message = ""  # it has failed once its containers have ended
        return PodFacts(
            self._started_s,
            self.context.settings.address,
            stopping=self.stopping.is_set(),
            reason=reason,
            message=message,
            disruption=self._disruption,
        )

    async def _report_for_ever(self) -> None:
        """Write the status whenever it changed; ends after the last one is written."""
        delay_s = _RETRY_S
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            finished = self._finished
            try:
                await self._report()
                delay_s = _RETRY_S
            except (RequestRefused, ServerUnreachableError) as error:
                if isinstance(error, RequestRefused) and not error.passing:
                    _log.info("status refused", pod=self.path, why=str(error))
                    if error.code in {404, 409}:
                        self._gone = True
                        self._news.set()
                else:
                    self._dirty.set()
                    await asyncio.sleep(delay_s)
                    delay_s = min(delay_s * 2, _RETRY_MAX_S)
                    continue
            if finished and not self._dirty.is_set():
                return

    async def _report(self) -> None:
        if self._over or self._gone or (self.stopping.is_set() and not self._ever_started()):
            return
        previous = {each["type"]: each for each in self._sent.get("conditions", ())}
        if not previous:
            previous = {
                each.type: {
                    "status": each.status,
                    "lastTransitionTime": each.last_transition_time,
                }
                for each in self.pod.status.conditions or ()
            }
        status = pod_status(self.pod, self.views, self.facts(), self.context.now_s(), previous)
        if status == self._sent:
            return
        patch = {"metadata": {"uid": self.pod.metadata.uid}, "status": status}
        await self.context.client.send("PATCH", f"{self.path}/status", patch, STRATEGIC_MERGE_PATCH)
        self._sent = status

    def _ever_started(self) -> bool:
        if self._failure[0]:
            return True
        return any(
            isinstance(each.state, Running | Terminated) or each.last
            for each in self.views.values()
        )

    async def _confirm_deletion(self) -> None:
        """Wait for the deletion of a pod that ended, then delete its object and folder."""
        delay_s = _RETRY_S
        while not self._gone:
            if not self.pod.metadata.deletion_timestamp:
                self._news.clear()
                await self._news.wait()
                continue
            body = {
                "gracePeriodSeconds": 0,
                "preconditions": {"uid": self.pod.metadata.uid},
            }
            try:
                await self.context.client.send("DELETE", self.path, body)
                break
            except (RequestRefused, ServerUnreachableError) as error:
                if isinstance(error, RequestRefused) and error.code in {404, 409}:
                    break
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _RETRY_MAX_S)
        await asyncio.to_thread(self.folder.remove)
