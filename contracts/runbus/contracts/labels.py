"""The labels and annotations that runbus puts on what it creates in Kubernetes."""

from __future__ import annotations

RUN_ID = "runbus.dev/run-id"
PROJECT = "runbus.dev/project"
KIND = "runbus.dev/kind"
ROLE = "runbus.dev/role"
ATTEMPT = "runbus.dev/attempt"
SHARD = "runbus.dev/shard"
PREFIX = "runbus.dev/"

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "runbus"

STATE_THRESHOLDS_ANNOTATION = "runbus.dev/state-thresholds"
# The only one of runbus' own that a document may hold: which run it repeats, `<project>/<run id>`.
RERUN_OF_ANNOTATION = "runbus.dev/rerun-of"
# On functions that stay: the stream sequence of the accepted event of the run that wrote last.
ORDER_ANNOTATION = "runbus.dev/order"

KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"
# By which Nuclio finds a function's project, and everything that belongs to a function.
NUCLIO_PROJECT = "nuclio.io/project-name"
NUCLIO_FUNCTION = "nuclio.io/function-name"
