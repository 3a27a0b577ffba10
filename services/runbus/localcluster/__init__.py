"""The local cluster: a Kubernetes for a machine without one.

What it is for: runbus meets Kubernetes over HTTP only. Where a machine has no cluster, this
package serves the part of the API that runbus and kubectl use, places pods, and runs their
containers as local processes, so that nothing else in runbus has a special case for "local".

Started as ``python -m runbus.localcluster --dir DIR``. It prints one JSON line
``{"url": ..., "kubeconfig": ...}`` on stdout once it serves; SIGTERM stops it and its processes.
It is three processes: a supervisor, the API server and its agents; each may be killed.

Owns: the folder DIR (kubeconfig; kubectl.kubeconfig and tls.pem, since kubectl sends a token over
TLS only; server.json with ports and token, objects/ with the API's journal, {api,agents}.pid,
groups/ with the process groups that run, pods/, claims/, logs/). Nothing else may write there.

Layers, each importing only what stands above it:

- ``rules``: pure. How Kubernetes names, checks, completes, patches, selects and deletes objects.
- ``store``: pure. Objects in memory, one global resourceVersion, the history that watches read.
- ``api``: the API server (aiohttp) over rules and store.
- ``client``: a thin HTTP client of any API server; list and watch.
- ``scheduler``, ``runner``, ``janitor``: plain API clients, as kube-scheduler, a kubelet and
  kube-controller-manager are. They share no memory with ``api``, so that the same runner can
  serve a real control plane.
- ``parts``: the processes, and the wiring of each.

Invariants: resourceVersions never go backwards, also over restarts; objects, address and token
survive a restart of the API server, the watch history does not (410); no container outlives the
cluster (a guardian kills process groups when the runner is killed, and the next start kills what
is left, after comparing process start times); every queue, history and log file has a maximum.

Containers are processes of this machine, not containers. What that means for a pod:

- ``command`` + ``args`` run on the host's PATH, the folder of this Python first. An image has no
  content here: without ``command`` the first of ``args`` is the program.
- The environment is clean: PATH, HOME, LANG, HOSTNAME, RUNBUS_LOCAL_ROOT and the pod's own.
- Mounts cannot be bound to absolute paths without root. Each pod has a root folder
  ``DIR/pods/<uid>/rootfs``; a volume mounted at ``/data`` appears at ``<rootfs>/data``. Where a
  mount path stands in command, args, workingDir or an env value as a path of its own
  (``/data/x``, ``--in=/data``, ``a:/data/bin``), it is rewritten to the real place
  (``runner/mounts.py``). A program that builds such a path itself finds the root folder in
  RUNBUS_LOCAL_ROOT.
- The working directory is ``workingDir`` if that is a mount or exists on the host, otherwise
  that folder inside rootfs, otherwise rootfs itself.
- CPU and memory are accounted by the scheduler and not enforced.

Must not know: any other part of runbus. It is met over HTTP only.
"""
