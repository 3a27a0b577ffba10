"""What a seed stands for: runs, what becomes of their pods, what users do, what goes wrong, when.

Drawn before anything happens, from the seed alone, so that a failing seed can be read as well as
replayed. Every run can end: where a pod would hang for ever, a limit or a user's abort ends it.
"""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec import Struct

from runbus.contracts.transitions import Publisher
from simulation.cluster.fates import Fate

PROJECTS = ("nlp", "vision")
NODES = ("node-1", "node-2", "node-3")
SPOT_NODES = NODES[:1]
SERVICES = tuple(each.value for each in Publisher)
# Who has timers, and shares them with others, is hit twice as often.
VICTIMS = (*SERVICES, Publisher.STATE_WATCHER.value)
WATCHER = Publisher.STATE_WATCHER.value
SUBMITS_WITHIN_S = 6.0
# The first fault may come while the services start.
FAULTS_FROM_S, FAULTS_WITHIN_S = 0.0, 14.0
HANGS_FOR_EVER = None
NEW_NODE_S = 30.0  # longer than any limit drawn here, shorter than what an autoscaler adds


class Submit(Struct, frozen=True, kw_only=True):
    """A user submits a document. `repeats`: when the same is asked for again (with a key)."""

    at_s: float
    project: str
    document: dict[str, Any]
    key: str | None = None
    by_request: bool = False
    repeats: tuple[float, ...] = ()
    changed_at_s: float | None = None  # another document under the same key


class Abort(Struct, frozen=True):
    """A user aborts the n-th submitted run."""

    at_s: float
    run: int


class Fault(Struct, frozen=True, kw_only=True):
    """Something goes wrong at a time, for a time."""

    at_s: float
    kind: str
    target: str = ""
    for_s: float = 0.0
    amount: float = 0.0
    replica: int = 0

    def told(self) -> str:
        """Return it in a few words."""
        parts = [self.kind]
        if self.target:
            parts.append(self.target + (f"-{self.replica}" if self.replica else ""))
        if self.for_s:
            parts.append(f"for {self.for_s:.1f} s")
        if self.amount:
            parts.append(f"({self.amount:g})")
        return " ".join(parts)


class Scenario(Struct, frozen=True, kw_only=True):
    """Everything that a seed decides beforehand. `fates` by run name, then by attempt."""

    seed: int
    submits: tuple[Submit, ...]
    fates: dict[str, tuple[Fate, ...]]
    aborts: tuple[Abort, ...] = ()
    faults: tuple[Fault, ...] = ()
    poison_at_s: tuple[float, ...] = ()
    replicas: dict[str, int] = {}
    limits: str = ""
    shuffle: bool = False

    @property
    def is_healthy(self) -> bool:
        """Whether nothing goes wrong but what pods and users do."""
        return not self.faults

    def fate(self, name: str, attempt: int) -> Fate:
        """Return what becomes of a run's attempt."""
        fates = self.fates[name]
        return fates[min(attempt, len(fates)) - 1]


def draw(seed: int, *, with_faults: bool = True) -> Scenario:
    """Return the scenario of a seed."""
    random = Random(seed)
    runs = random.randint(1, 4)
    submits: list[Submit] = []
    fates: dict[str, tuple[Fate, ...]] = {}
    aborts: list[Abort] = []
    for number in range(runs):
        name = f"run{number}"
        fates[name] = tuple(_fate(random) for _ in range(random.randint(1, 3)))
        submits.append(_submit(random, name, fates[name][0]))
        if random.random() < 0.25:
            aborts.append(Abort(submits[-1].at_s + random.uniform(0.0, 12.0), number))
    healthy = not with_faults or random.random() < 0.1
    faults = () if healthy else _faults(random)
    replicas = {random.choice(SERVICES): 2} if random.random() < 0.3 else {}
    if random.random() < 0.4:
        replicas[WATCHER] = random.choice((2, 3, 3))
    return Scenario(
        seed=seed,
        submits=tuple(submits),
        fates=fates,
        aborts=tuple(aborts),
        faults=faults,
        poison_at_s=(random.uniform(1.0, 10.0),) if random.random() < 0.15 else (),
        replicas=replicas,
        limits=random.choice(("", "", "two", "one_each")),
        shuffle=random.random() < 0.5,
    )


def _submit(random: Random, name: str, fate: Fate) -> Submit:
    at_s = random.uniform(0.0, SUBMITS_WITHIN_S)
    project = random.choice(PROJECTS)
    key = f"key-{name}" if random.random() < 0.6 else None
    repeats = tuple(
        at_s + random.uniform(0.0, 15.0) for _ in range(random.choice((0, 0, 1, 2)) if key else 0)
    )
    return Submit(
        at_s=at_s,
        project=project,
        document=_document(random, project, name, fate),
        key=key,
        by_request=key is not None and random.random() < 0.5,
        repeats=repeats,
        changed_at_s=at_s + random.uniform(3.0, 15.0) if key and random.random() < 0.15 else None,
    )


def _document(random: Random, project: str, name: str, fate: Fate) -> dict[str, Any]:
    document: dict[str, Any] = {
        "project": project,
        "name": name,
        "kind": "job",
        "image": "registry.example.com/x:1",
        "termination_grace_period": f"{random.choice((1, 2, 4))}s",
        "ttl_after_finish": f"{random.choice((1, 3, 8))}s",
        "state_thresholds": {
            "pending_not_scheduled": _limit(random, 2.0, 8.0, fate.bind_after_s),
            "pending_scheduled": _limit(random, 2.0, 8.0, fate.config_error_s),
            "image_pull_backoff": _limit(random, 2.0, 8.0, fate.image_after_s),
            "running": _limit(random, 2.0, 12.0, fate.run_s),
        },
    }
    if random.random() < 0.2:
        document["state_thresholds"]["queued"] = _limit(random, 1.0, 20.0)
    if random.random() < 0.1:
        document["state_thresholds"]["total"] = _limit(random, 5.0, 30.0)
    if random.random() < 0.6:
        document["retry"] = {
            "limit": random.randint(0, 2),
            "backoff": f"{random.choice((1, 2, 4))}s",
            "on": random.choice(
                (["infrastructure"], ["infrastructure", "user"], ["pending_scheduled", "PodLost"])
            ),
        }
    return document


def _limit(random: Random, least: float, most: float, leaves_s: float | None = None) -> str:
    """Return a limit; often one that passes just as the pod leaves the state."""
    limit_s = random.uniform(least, most)
    if leaves_s is not None and random.random() < 0.4:
        limit_s = max(1.0, leaves_s + random.uniform(-0.15, 0.15))
    return f"{limit_s:.2f}s"


def _fate(random: Random) -> Fate:
    hangs = random.choice(("", "", "", "", "bind", "image", "config", "run"))
    image = random.choice(("ok", "ok", "ok", "ok", "missing", "invalid"))
    if hangs == "image":
        image = random.choice(("missing", "missing", "invalid"))
    config = random.choice((0.0, 0.0, 0.0, random.uniform(0.5, 6.0)))
    scales_up = hangs == "bind" and random.random() < 0.5
    never = NEW_NODE_S if scales_up and random.random() < 0.7 else HANGS_FOR_EVER
    return Fate(
        bind_after_s=never if hangs == "bind" else random.choice((0.03, 0.3, 2.0, 5.0)),
        scales_up=scales_up,
        image=image,
        image_after_s=None if hangs == "image" else random.uniform(0.5, 9.0),
        pull_s=random.choice((0.05, 0.5, 2.0)),
        config_error_s=HANGS_FOR_EVER if hangs == "config" else config,
        run_s=HANGS_FOR_EVER if hangs == "run" else random.choice((0.0, 0.2, 1.5, 4.0, 9.0)),
        exit_code=random.choice((0, 0, 0, 1, 137)),
        on_term=random.choice(("exit 143", "exit 0", "ignore")),
        term_s=random.uniform(0.01, 1.5),
        deleted_after_s=_sometimes(random, 0.06, 10.0),
        evicted_after_s=_sometimes(random, 0.06, 10.0),
        purged_after_s=_sometimes(random, 0.06, 10.0),
    )


def _sometimes(random: Random, probability: float, within_s: float) -> float | None:
    drawn, at_s = random.random(), random.uniform(0.05, within_s)
    return at_s if drawn < probability else None


# Kinds of faults, each with how it is drawn.


def _faults(random: Random) -> tuple[Fault, ...]:
    count = random.choice((1, 1, 2, 2, 3, 4, 6))
    faults = [_fault(random) for _ in range(count)]
    return tuple(sorted(faults, key=lambda each: each.at_s))


def _fault(random: Random) -> Fault:
    kind = random.choice(
        (
            *("kill", "kill_at", "kill_at", "kill_at", "stop", "freeze", "drop"),
            *("bus_down", "bus_lossy", "bus_slow_copies", "bus_redelivers", "bus_leader_behind"),
            *("kube_down", "kube_refuses", "kube_hangs", "kube_loses", "kube_late"),
            *("watch_cut", "watch_expired", "watch_slow"),
            *("node_lost", "node_removed"),
        )
    )
    at_s = random.uniform(FAULTS_FROM_S, FAULTS_WITHIN_S)
    for_s, amount, target = 0.0, 0.0, ""
    match kind:
        case "kill" | "stop":
            target, for_s = random.choice(VICTIMS), random.choice((0.1, 1.0, 4.0, 8.0))
        case "kill_at":
            target, for_s = random.choice(VICTIMS), random.choice((0.1, 1.0, 4.0))
            amount = random.randint(1, 30)
        case "freeze":
            target, for_s = random.choice(VICTIMS), random.choice((0.5, 2.0, 5.0, 9.0))
        case "drop":
            target, for_s = random.choice(VICTIMS), random.choice((0.0, 1.0, 4.0))
        case "bus_down":
            for_s = random.choice((0.3, 2.0, 6.0))
        case "bus_lossy" | "kube_refuses" | "kube_hangs" | "kube_loses" | "kube_late":
            for_s, amount = random.choice((1.0, 4.0, 8.0)), random.choice((0.1, 0.4, 0.9))
        case "bus_slow_copies" | "watch_slow":
            for_s, amount = random.choice((2.0, 6.0)), random.choice((0.5, 3.0))
        case "bus_leader_behind":
            for_s, amount = random.choice((4.0, 8.0)), random.choice((0.01, 0.1, 1.0))
        case "kube_down":
            for_s = random.choice((0.5, 3.0, 8.0))
        case "node_lost":
            target, for_s = random.choice(NODES), random.choice((3.0, 10.0, 20.0))
        case "node_removed":
            target = random.choice(NODES)
        case _:
            pass
    replica = random.choice((0, 0, 1, 2)) if target == WATCHER else 0
    return Fault(at_s=at_s, kind=kind, target=target, for_s=for_s, amount=amount, replica=replica)
