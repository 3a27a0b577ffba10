"""The API server: HTTP over ``rules`` and ``store``.

Consumes: requests with the bearer token of DIR/server.json. Emits: what a kube-apiserver answers
(status codes, Status reasons and messages, shapes, watch streams), checked against recorded
exchanges in the tests. Owns: authentication, the verbs, discovery, watch streams, the proxy to a
node's log endpoint, and what tests need below.

Fault switches, for tests, over HTTP with the token (``faults.py``):

- ``POST /localcluster/v1/faults`` ``{"method": "POST", "path": "/api/v1/*/pods", "watch": false,
  "count": 3, "for_s": 5, "status": 503, "retry_after_s": 1, "message": "...", "hang_s": 2,
  "drop": "before" | "after", "components": false}``: the next ``count`` requests (or those of the
  next ``for_s`` seconds; default count 1) that match get ``status``; or wait ``hang_s`` first; or
  the connection is dropped before the request took effect, or after it. ``method`` and ``path``
  are globs. The cluster's own scheduler, runner and janitor are spared unless ``components``.
- ``GET``/``DELETE /localcluster/v1/faults``: those that are armed / disarm all.
- ``POST /localcluster/v1/faults/cut-watches``: end every watch connection.
- ``POST /localcluster/v1/faults/forget-history``: the next watch from an older resourceVersion, and
  a list that was read by half, get 410 Expired.
- ``GET /localcluster/v1/watches``: the watches that run now, ``[{"path", "agent"}]``, the path with
  its query.

Invariants: one event is serialised once for all watchers; a slow watcher is cut, never waited for;
no write is answered before it can be seen by a read. Must not know: scheduler, runner, janitor.
"""
