"""The runner of one node: a worker for each pod bound to it. Wiring and bookkeeping."""

import asyncio

import structlog
from aiohttp import web

from runbus.localcluster.client import ApiClient, Reflector
from runbus.localcluster.recorder import Recorder
from runbus.localcluster.rules.shapes import Pod
from runbus.localcluster.runner.container import run_containers
from runbus.localcluster.runner.context import RunnerContext
from runbus.localcluster.runner.log_server import LogServer, log_tls
from runbus.localcluster.runner.node import NodeHeartbeat
from runbus.localcluster.runner.worker import PodWorker

_log = structlog.get_logger("runner")
_STOP_LIMIT_S = 0.5
_MARGIN_S = 0.5  # to report before the node is gone


class Runner:
    """Runs the pods of one node as long as ``run`` does."""

    def __init__(
        self, context: RunnerContext, client: ApiClient, recorder: Recorder, token: str
    ) -> None:
        self._context = context
        self._client = client
        self._recorder = recorder
        self._token = token
        self._workers: dict[str, PodWorker] = {}
        self._group: asyncio.TaskGroup | None = None
        self._heartbeat: NodeHeartbeat | None = None
        self._shutting_down = False

    async def run(self) -> None:
        """Serve logs, keep the node, run pods; ends by cancellation, with no process left."""
        context = self._context
        keys = context.settings.log_keys
        token = self._token if keys is None else None
        logs = LogServer(self._find, token, context.now_s, lambda: self._client.is_cut_off)
        server = web.ServerRunner(
            web.Server(logs.handle, handler_cancellation=True, access_log=None),
            shutdown_timeout=_STOP_LIMIT_S,
        )
        await server.setup()
        tls = None if keys is None else log_tls(keys)
        site = web.TCPSite(server, context.settings.address, 0, ssl_context=tls)
        await site.start()
        self._heartbeat = NodeHeartbeat(
            self._client, context.settings, _port(server), context.now_s
        )
        name = context.settings.node_name
        pods = Reflector(
            self._client,
            "/api/v1/pods",
            Pod,
            self._pod_changed,
            self._pod_removed,
            {"fieldSelector": f"spec.nodeName={name}"},
        )
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._recorder.run())
                group.create_task(self._heartbeat.run())
                group.create_task(pods.run())
        finally:
            await server.cleanup()

    def cut_off(self) -> None:
        """The node loses its network: its containers go on, nobody hears of them."""
        self._client.is_cut_off = True

    def reconnect(self) -> None:
        """The network is back."""
        self._client.is_cut_off = False
        if self._heartbeat is not None:
            self._heartbeat.report_soon()

    async def shut_down(self, notice_s: float) -> None:
        """End every pod as a kubelet does whose node is going away, and tell of it.

        Returns when the notice is over, whatever has ended by then.
        """
        if self._heartbeat is not None:
            self._heartbeat.shut_down()
        self._shutting_down = True
        for worker in self._workers.values():
            worker.shut_down(max(notice_s - _MARGIN_S, 0.0))
        await asyncio.sleep(notice_s)

    def _find(self, namespace: str, name: str) -> PodWorker | None:
        for worker in self._workers.values():
            meta = worker.pod.metadata
            if (meta.namespace, meta.name) == (namespace, name):
                return worker
        return None

    def _pod_changed(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update(pod)
            return
        if self._group is None:
            return
        worker = PodWorker(self._context, pod)
        if self._shutting_down:
            worker.reject("NodeShutdown", "Pod was rejected as the node is shutting down.")
        self._workers[uid] = worker
        self._group.create_task(self._run_worker(uid, worker))

    async def _run_worker(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run(run_containers)
        except* (OSError, ValueError, LookupError, TypeError) as errors:
            # one odd pod must not end the others
            _log.error("a pod's worker failed", pod=worker.path, why=repr(errors.exceptions))
        finally:
            if self._workers.get(uid) is worker:
                del self._workers[uid]

    def _pod_removed(self, pod: Pod) -> None:
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            worker.object_gone()


def _port(server: web.ServerRunner) -> int:
    address = server.addresses[0]
    return int(address[1])
