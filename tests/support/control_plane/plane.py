"""Starts a real Kubernetes control plane for tests: etcd, API server, scheduler, controllers.

Everything listens on random ports of the loopback interface and lies in one folder. RBAC is on,
and what service accounts of the namespace `runbus` ask for is written down as it is judged
(`audit.py`). There is no kubelet: see `kubelet.py` for one that runs pods, `scripted.py` for one
that does what it is told. Knows no pytest.
"""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from runbus.cli.stack.ports import free_ports
from support.control_plane import audit
from support.control_plane.keys import Keys

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
POLL_S = 0.05
REQUEST_LIMIT_S = 10.0
# A test waits for no heartbeat that it does not send: who needs a lost node loses it itself.
NODE_GRACE = "24h"
JSON_TYPE = "application/json"
JsonObject = dict[str, Any]


BUILD = Path(__file__).with_name("build.sh")


class NotBuiltError(Exception):
    """There is no control plane on this machine; the message says what builds it."""


class ControlPlaneError(Exception):
    """A program ended, or was not ready in time; with the end of its log."""


def binaries() -> Path:
    """Return the folder of etcd, kube-apiserver and the rest; raises NotBuiltError."""
    found = subprocess.run([BUILD, "--where"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        missing = "there is no Kubernetes control plane here: `make kube` builds it"
        raise NotBuiltError(found.stderr.strip() or missing)
    return Path(found.stdout.strip())


class ControlPlane:
    """`with ControlPlane(folder, binaries) as plane:` gives one that serves.

    Args:
        folder: for everything; must not exist.
        binaries: where the programs are (`build.sh` prints it). Of scheduler and controllers,
            those run that are there.
        scheduler: whether to run it.
        controllers: whether to run them.

    """

    def __init__(
        self,
        folder: Path,
        binaries: Path,
        *,
        scheduler: bool = True,
        controllers: bool = True,
    ) -> None:
        self.folder = folder
        self.keys = Keys(folder / "keys")
        self._binaries = binaries
        self.has_scheduler = scheduler and (binaries / "kube-scheduler").exists()
        self.has_controllers = controllers and (binaries / "kube-controller-manager").exists()
        self._etcd, self._etcd_peer, self._port = free_ports(3)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # The kernel ends a program with the thread that started it: one thread starts them all.
        self._starter = ThreadPoolExecutor(max_workers=1)
        self._tls = ssl.create_default_context(cafile=self.keys.path("ca.crt"))
        (folder / "logs").mkdir()
        audit.write_policy(folder)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by the name of the program."""
        return {name: each.pid for name, each in self._running.items()}

    @property
    def url(self) -> str:
        """The API server's address; it stays the same over restarts."""
        return f"https://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it serves; raises ControlPlaneError."""
        self._start_etcd()
        self.start_api_server()
        if self.has_scheduler:
            self._start_scheduler()
        if self.has_controllers:
            self._start_controllers()
            self._wait("kube-controller-manager", lambda: self.has_account("default"))

    def start_api_server(self, *more: str) -> None:
        """Start the API server, with more flags; it must not run."""
        keys = self.keys
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self._etcd}",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": str(self._port),
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.96.0.0/16",
            "tls-cert-file": keys.path("apiserver.crt"),
            "tls-private-key-file": keys.path("apiserver.key"),
            "client-ca-file": keys.path("ca.crt"),
            "token-auth-file": keys.path("tokens.csv"),
            "authorization-mode": "RBAC",
            **audit.flags(self.folder),
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": keys.path("accounts.pub"),
            "service-account-signing-key-file": keys.path("accounts.key"),
            # What logs need: the API server asks the kubelet of the pod's node.
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-certificate-authority": keys.path("ca.crt"),
            "kubelet-client-certificate": keys.path("apiserver-kubelet-client.crt"),
            "kubelet-client-key": keys.path("apiserver-kubelet-client.key"),
        }
        if not self.has_controllers:  # nobody makes the accounts that this asks for
            flags["disable-admission-plugins"] = "ServiceAccount"
        self._spawn("kube-apiserver", [*_flags(flags), *more])
        self._wait("kube-apiserver", self._serves)

    def kill_api_server(self) -> None:
        """SIGKILL the API server: every connection breaks, nothing answers."""
        self._end("kube-apiserver", signal.SIGKILL)

    def restart_api_server(self, *more: str) -> None:
        """Kill the API server and start it again, with more flags.

        It knows nothing then of what changed before: who watches from there is sent away (410).
        """
        self.kill_api_server()
        self.start_api_server(*more)

    def compact(self) -> None:
        """Let etcd forget all but the newest versions: tokens of half-read lists expire."""
        key = {"key": "AA==", "range_end": "AA==", "count_only": True}
        revision = self._ask_etcd("/v3/kv/range", key)["header"]["revision"]
        self._ask_etcd("/v3/kv/compaction", {"revision": revision, "physical": True})

    def stop(self) -> None:
        """Kill everything, the last started first, and remove the folder but for the logs."""
        for name in reversed(list(self._running)):
            self._end(name, signal.SIGKILL)
        self._starter.shutdown()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def forget_judged(self) -> None:
        """Begin the list of `judged` anew."""
        audit.forget(self.folder)

    def let_in(self, namespace: str, account: str, while_there_is: str = "") -> str:
        """Get a token for a service account: by its name, it is one of the people from here on.

        `while_there_is` names a Secret of that namespace, with which the token ends.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        spec: JsonObject = {"expirationSeconds": 3600}
        if while_there_is:
            secret = f"/api/v1/namespaces/{namespace}/secrets/{while_there_is}"
            uid = self.request("GET", secret)[1]["metadata"]["uid"]
            bound = {"kind": "Secret", "apiVersion": "v1", "name": while_there_is, "uid": uid}
            spec["boundObjectRef"] = bound
        status, answer = self.request("POST", path, {"spec": spec})
        if status != 201:
            raise ControlPlaneError(f"no token for {account}: {answer.get('message')}")
        self.keys.tokens[account] = answer["status"]["token"]
        return account

    def judged(self, name: str) -> list[audit.Judged]:
        """What an account of the namespace `runbus` has asked for, in order."""
        return audit.judged(self.folder, name)

    def kubeconfig(self, name: str = "admin", namespace: str = "default") -> Path:
        """The path of a kubeconfig of one of `keys.PEOPLE`, or of who was let in."""
        path = self.folder / f"{name}.{namespace}.kubeconfig"
        return self.keys.write_kubeconfig(path, self.url, name, namespace)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON_TYPE,
        person: str = "admin",
    ) -> tuple[int, JsonObject]:
        """One request; gives the status code (0: no answer) and the answer's object."""
        status, content = self._ask(method, path, body, content_type, person)
        return status, msgspec.json.decode(content) if content else {}

    def create_namespace(self, name: str) -> None:
        """Create a namespace, and wait until pods can be created in it."""
        status, answer = self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if status != 201:
            raise ControlPlaneError(f"no namespace {name}: {answer.get('message')}")
        if self.has_controllers:
            self._wait("kube-controller-manager", lambda: self.has_account(name))

    def has_account(self, namespace: str) -> bool:
        """Whether a namespace has its default service account, and that has its token."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        status, account = self.request("GET", path)
        return status == 200 and ("secrets" in account or not self._makes_secrets())

    def _makes_secrets(self) -> bool:
        status, version = self.request("GET", "/version")
        return status == 200 and int(version["minor"].rstrip("+")) < 24

    def _serves(self) -> bool:
        return self._ask("GET", "/readyz") == (200, b"ok")

    def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON_TYPE,
        person: str = "admin",
    ) -> tuple[int, bytes]:
        headers = {
            "Authorization": f"Bearer {self.keys.tokens[person]}",
            "Content-Type": content_type,
        }
        data = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            with opener.open(request, timeout=REQUEST_LIMIT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()
        except (OSError, TimeoutError):
            return 0, b""

    def _ask_etcd(self, path: str, body: object) -> JsonObject:
        url = f"http://127.0.0.1:{self._etcd}{path}"
        request = urllib.request.Request(url, msgspec.json.encode(body))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=REQUEST_LIMIT_S) as answer:
            found: JsonObject = msgspec.json.decode(answer.read())
            return found

    def _start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self._etcd}"
        peer = f"http://127.0.0.1:{self._etcd_peer}"
        flags = {
            "name": "test",
            "data-dir": str(self.folder / "etcd"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"test={peer}",
            "unsafe-no-fsync": "true",  # nothing here outlives the machine
        }
        self._spawn("etcd", _flags(flags))

    def _start_scheduler(self) -> None:
        self._spawn("kube-scheduler", self._component("scheduler", "kube-scheduler"))

    def _start_controllers(self) -> None:
        flags = {
            "service-account-private-key-file": self.keys.path("accounts.key"),
            "root-ca-file": self.keys.path("ca.crt"),
            "use-service-account-credentials": "true",
            "node-monitor-grace-period": NODE_GRACE,
        }
        name = "kube-controller-manager"
        self._spawn(name, [*self._component("controllers", name), *_flags(flags)])

    def _component(self, person: str, program: str) -> list[str]:
        """The flags of whatever works over the API: as fast as it can, alone, unheard."""
        flags = {
            "kubeconfig": str(self.kubeconfig(person)),
            "leader-elect": "false",
            "bind-address": "127.0.0.1",
            "secure-port": "0",
            "kube-api-qps": "500",
            "kube-api-burst": "1000",
        }
        if self._knows(program, "--port "):  # the plain port that older ones open
            flags["port"] = "0"
        return _flags(flags)

    def _knows(self, program: str, flag: str) -> bool:
        told = subprocess.run(
            [self._binaries / program, "--help"], capture_output=True, timeout=30, check=False
        )
        return flag.encode() in told.stdout + told.stderr

    def _spawn(self, name: str, arguments: Sequence[str]) -> None:
        command = [str(self._binaries / name), *arguments]
        if shutil.which("setpriv") is not None:  # a killed test run leaves nothing behind
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with self._log(name).open("ab") as log:
            self._running[name] = self._starter.submit(_started, command, log).result()

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _wait(self, name: str, condition: Any) -> None:
        end_s = time.monotonic() + READY_LIMIT_S
        while not condition():
            ended = self._running[name].poll()
            if ended is not None or time.monotonic() > end_s:
                how = "was not ready in time" if ended is None else f"ended with {ended}"
                log = self._log(name).read_text(errors="replace")[-2000:]
                raise ControlPlaneError(f"{name} {how}:\n{log}")
            time.sleep(POLL_S)

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.send_signal(number)
            process.wait(STOP_LIMIT_S)


def _started(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )


def _flags(flags: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
