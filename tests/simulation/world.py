"""One seed from beginning to end: everything is put together, happens, is mended, and is judged.

The end comes when nothing is left to do: every run final, every object gone, every queue empty.
Where it does not come in time, what is left is told by the invariants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct

from runbus.contracts import codec, labels
from runbus.contracts.replies import DeadLetter
from runbus.contracts.streams import DEADLETTERS, EVENTS, LIVE_BUCKET
from runbus.localcluster.rules.resources import PODS
from runbus.reading.history import (
    Allowances,
    Backlog,
    StoredEvent,
    World,
    histories,
    run_key,
    stored_event,
)
from runbus.reading.invariants import Breach, Invariant, check
from runbus.sdk.bus import Bus
from runbus.sdk.provision import provision
from runbus.state_watcher.scale_up import SCALE_UP_EXTENSION_S
from simulation.bus.server import SimServer
from simulation.bus.streams import Stored, Stream
from simulation.cluster.fates import told
from simulation.cluster.kubelet import Kubelets
from simulation.cluster.server import SimCluster
from simulation.faults import Faults, add_nodes
from simulation.loop import DeadlockError, LivelockError, VirtualLoop, run_virtually
from simulation.ownership import Ownership
from simulation.scenario import NODES, WATCHER, Scenario
from simulation.services import SimService, Wiring, all_five
from simulation.story import Story
from simulation.truth import Truth
from simulation.users import Users

DEFAULTS = Path(__file__).parent / "defaults"
SETTLE_MAX_S = 200.0
LOOK_EVERY_S = 1.0
ATTEMPTS_MAX = 3  # of the runs that are drawn
# So long after its deadline an abort is decided where nothing goes wrong (in virtual time).
DECIDED_P99_MS = 50.0
UNREACHABLE_FORCE_AFTER_S = 6.0

Plant = Callable[[list[Wiring]], list[Wiring]]


class Outcome(Struct, frozen=True):
    """How a seed went. `digest` is the same for every run of the seed."""

    scenario: Scenario
    breaches: tuple[Breach, ...]
    story: Story
    digest: str
    lasted_s: float
    events: int

    @property
    def has_failed(self) -> bool:
        """Whether something happened that must not."""
        return bool(self.breaches)


class Sabotage(Struct, frozen=True, kw_only=True):
    """What a planted bug does to the bus, and to how services are put together."""

    guards: bool = True
    true_sequences: bool = True
    plant: Plant = list


def play(scenario: Scenario, sabotage: Sabotage | None = None, *, verbose: bool = False) -> Outcome:
    """Let a scenario happen, and judge it."""
    shuffle = Random(scenario.seed ^ 0x5EED) if scenario.shuffle else None
    holder: list[_Play] = []

    async def main(loop: VirtualLoop) -> None:
        holder.append(_Play(loop, scenario, sabotage or Sabotage(), verbose=verbose))
        await holder[0].run()

    problem: str | None = None
    try:
        run_virtually(main, shuffle, at_end=lambda: holder[0].cut())
    except (DeadlockError, LivelockError) as error:
        problem = f"{type(error).__name__}: {error}"
    return holder[0].outcome(problem)


class _Play:
    """The parts of one seed."""

    def __init__(
        self, loop: VirtualLoop, scenario: Scenario, sabotage: Sabotage, *, verbose: bool
    ) -> None:
        self.loop = loop
        self.scenario = scenario
        self.story = Story(loop.time, verbose=verbose)
        random = Random(scenario.seed ^ 0xB05)
        self.server = SimServer(
            loop,
            random,
            guards=sabotage.guards,
            true_sequences=sabotage.true_sequences,
        )
        self.cluster = SimCluster(loop, Random(scenario.seed ^ 0xC1))
        self.truth = Truth(loop)
        self.kubelets = Kubelets(self.cluster, self._fate, NODES)
        self.services = self._services(sabotage.plant)
        self.faults = Faults(
            loop, self.server, self.cluster, self.kubelets, self.services, self.story
        )
        self.events: list[StoredEvent] = []
        self.letters: list[DeadLetter] = []
        self.users: Users | None = None
        self.ownership = Ownership(self.server)
        self._listen()

    def _services(self, plant: Plant) -> dict[str, list[SimService]]:
        limits = self.scenario.limits or "none"
        wirings = plant(
            all_five(
                defaults_file=str(DEFAULTS / f"{limits}.yaml"),
                unreachable_force_after_s=UNREACHABLE_FORCE_AFTER_S,
            )
        )
        found: dict[str, list[SimService]] = {}
        for wiring in wirings:
            name = wiring.publisher.value
            replicas = self.scenario.replicas.get(name, 1)
            found[name] = [
                SimService(
                    name if replicas == 1 else f"{name}-{number}",
                    wiring,
                    self.loop,
                    self.server,
                    self.cluster,
                    self.story,
                )
                for number in range(replicas)
            ]
        return found

    def _fate(self, pod: dict[str, Any]) -> Any:
        meta = pod["metadata"]
        name = meta["name"].rsplit("-", 2)[0]
        attempt = int(meta["labels"][labels.ATTEMPT])
        fate = self.scenario.fate(name, attempt)
        run = run_key(meta["labels"][labels.PROJECT], meta["labels"][labels.RUN_ID])
        self.story.tell(run, f"cluster: {meta['name']} appears; fate: {told(fate)}")
        return fate

    def _listen(self) -> None:
        self.server.on_stored.append(self._on_stored)
        self.server.on_stored.append(self.ownership.on_stored)
        self.cluster.on_listed.append(self.ownership.on_listed)
        self.cluster.on_request.append(self.ownership.on_request)
        for watcher in self.services[WATCHER]:
            watcher.on_publish = self.ownership.on_publish
        self.cluster.on_pod.append(self.truth.on_pod)
        self.cluster.on_pod.append(self._on_pod)
        self.cluster.on_request.append(self.truth.on_request)
        self.cluster.on_request.append(self._on_request)
        self.cluster.on_sent.append(self.truth.on_sent)
        self.cluster.on_answered.append(self.truth.on_answered)

    def _on_stored(self, stream: Stream, stored: Stored) -> None:
        if stream.name == EVENTS:
            event = stored_event(
                stored.subject, stored.sequence, stored.headers, stored.data, self.loop.wall()
            )
            self.events.append(event)
            status = event.status
            run = run_key(status.project, status.run_id)
            text = f"{event.publisher}: {event.event_type} {stored.sequence}"
            self.story.tell(run, f"{text} -> {status.state.value}: {status.status_text}")
        elif stream.name == DEADLETTERS:
            letter = codec.decode(DeadLetter, stored.data)
            self.letters.append(letter)
            run = run_key(letter.project, letter.run_id)
            self.story.tell(run, f"{letter.service}: dead letter: {letter.reason}")

    def _on_pod(self, kind: str, pod: dict[str, Any]) -> None:
        if kind == "ADDED":
            return  # told with its fate
        meta, status = pod["metadata"], pod["status"]
        run = run_key(meta["labels"][labels.PROJECT], meta["labels"][labels.RUN_ID])
        going = ", Terminating" if "deletionTimestamp" in meta else ""
        states = [each.get("state") for each in status.get("containerStatuses") or ()]
        shown = _state_text(states[0]) if states else ""
        what = "gone" if kind == "DELETED" else f"{status.get('phase')} {shown}{going}"
        self.story.tell(run, f"cluster: {meta['name']} is {what}")

    def _on_request(self, client: str, method: str, path: str, _data: bytes | None) -> None:
        self.story.tell("", f"{client}: {method} {path}", detail=True)

    # What happens.

    async def run(self) -> None:
        """Begin, let it happen, mend it, and wait for the end."""
        link = self.server.connect("outside")
        bus = Bus(link.client.native())
        await bus.open()
        await provision(bus)
        add_nodes(self.cluster, NODES)
        self.users = Users(self.loop, bus, self.story)
        for service in self._all():
            service.start()
        began_s = self.loop.time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.faults.carry_out(self.scenario.faults, began_s))
            tasks.create_task(self.users.act(self.scenario, began_s))
        self.story.tell("", "everything is back")
        await self._settle()
        self.story.tell("", "stopping")
        for service in self._all():
            service.is_wanted = False
            service.stop()
        for service in self._all():
            await service.ended()

    def cut(self) -> None:
        """Let nothing that still runs reach anything."""
        for service in self._all():
            service.is_wanted = False
            service.kill()

    def _all(self) -> list[SimService]:
        return [each for replicas in self.services.values() for each in replicas]

    async def _settle(self) -> None:
        tries = [fate for fates in self.scenario.fates.values() for fate in fates]
        waits_s = SCALE_UP_EXTENSION_S * sum(fate.scales_up for fate in tries) * ATTEMPTS_MAX
        give_up_at = self.loop.time() + SETTLE_MAX_S + waits_s
        while self.loop.time() < give_up_at:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._is_quiet():
                return

    def _is_quiet(self) -> bool:
        if any(self.cluster.store.all(PODS)):
            return False
        newest = {(e.status.project, e.status.run_id): e.status for e in self.events}
        if not all(status.state.is_final for status in newest.values()):
            return False
        if any(each.waiting or each.in_hand for each in self._backlogs()):
            return False
        assert self.users is not None
        is_heard = set(self.users.runs.values()) <= set(newest)
        return is_heard and not self.server.streams[f"KV_{LIVE_BUCKET}"].messages

    def _backlogs(self) -> list[Backlog]:
        return [
            Backlog(consumer=name, waiting=each.num_pending(), in_hand=len(each.pending))
            for (_, name), each in self.server.pulls.items()
        ]

    # What is to be said about it.

    def outcome(self, problem: str | None) -> Outcome:
        """Judge."""
        world = World(
            now=self.loop.wall(),
            runs=histories(self.events, self.truth.lives),
            requests=self.users.requests if self.users is not None else (),
            dead_letters=self.letters,
            backlogs=self._backlogs(),
            outages=self.faults.outages,
            allowances=Allowances(
                slack_s=0.1, decided_p99_ms=DECIDED_P99_MS if self.scenario.is_healthy else None
            ),
            settled=True,
        )
        breaches = [*check(world), *self._untrue(world), *self._left(world)]
        problems = [*self.loop.problems, *self.server.problems, *([problem] if problem else [])]
        breaches += [Breach(Invariant.NOTHING_BLOCKED, "", text) for text in problems]
        return Outcome(
            scenario=self.scenario,
            breaches=tuple(breaches),
            story=self.story,
            digest=self.story.digest(),
            lasted_s=self.loop.time(),
            events=len(self.events),
        )

    def _untrue(self, world: World) -> list[Breach]:
        return [
            Breach(Invariant.ABORTS_IN_TIME, run.run, text)
            for run in world.runs
            for text in self.truth.untrue(run, world.outages)
        ] + [Breach(Invariant.ABORTS_IN_TIME, *each) for each in self.ownership.breaches]

    def _left(self, world: World) -> list[Breach]:
        """Judge what the invariants are not given: what is lost, left, or not explained."""
        found: list[Breach] = []
        assert self.users is not None
        known = {run.run for run in world.runs if run.events}
        for project, run_id in self.users.runs.values():
            name = run_key(project, run_id)
            if name not in known:
                found.append(Breach(Invariant.RUNS_END, name, "was submitted, and nobody knows it"))
        left = self.server.streams[f"KV_{LIVE_BUCKET}"].messages
        for stored in left.values():
            text = f"{stored.subject} is left in the bucket of live runs"
            found.append(Breach(Invariant.RUNS_END, "", text))
        if len(self.letters) != self.users.letters:
            text = f"{len(self.letters)} dead letters, and {self.users.letters} expected"
            found.append(Breach(Invariant.NOTHING_BLOCKED, "", text))
        accepted = sum(1 for event in self.events if event.event_type == "accepted")
        if accepted != len(self.scenario.submits):
            text = f"{accepted} runs accepted, and {len(self.scenario.submits)} submitted"
            found.append(Breach(Invariant.ONE_RUN_PER_KEY, "", text))
        return found


def _state_text(state: dict[str, Any] | None) -> str:
    for kind, fields in (state or {}).items():
        reason = fields.get("reason") or ""
        code = f" {fields['exitCode']}" if "exitCode" in fields else ""
        return f"({kind}{' ' + reason if reason else ''}{code})"
    return ""


def told_story(outcome: Outcome) -> str:
    """Return a failing seed for people: what is wrong, what happened, and how to replay it."""
    runs = frozenset(each.run for each in outcome.breaches if each.run)
    scenario = outcome.scenario
    lines = [f"seed {scenario.seed}:"]
    lines += [f"  BREACH {each.invariant.name} {each.run}: {each.text}" for each in _few(outcome)]
    lines += outcome.story.lines(runs)
    lines.append(f"replay: make simulate SEED={scenario.seed}")
    return "\n".join(lines)


def _few(outcome: Outcome) -> Sequence[Breach]:
    return outcome.breaches[:8]
