"""Right run documents of every kind, by hypothesis: any of the settings, in any combination.

They are right in what they say, so that what comes out of them has to be right as well. It must
not know how they are rendered.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.full_documents import ENV, NODE_AFFINITY, POD_AFFINITY, POD_ANTI_AFFINITY

KINDS = ("job", "mpijob", "spark", "dask", "nuclio", "serving")
ROLES = {
    "mpijob": ("launcher", "worker"),
    "spark": ("driver", "executor"),
    "dask": ("scheduler", "worker", "runner"),
}
FUNCTIONS = ("nuclio", "serving")
Raw = dict[str, Any]

PLATFORM: Raw = {
    "preemptible_nodes": {
        "node_selector": {"example.com/spot": "yes", "example.com/reclaimable": "true"},
        "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "gpu_tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}

_NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,24}[a-z0-9])?", fullmatch=True)
_PROJECTS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
_WORDS = st.sampled_from(["a", "b-c", "nlp", "x1"])
_LABELS = st.dictionaries(_WORDS, st.sampled_from(["", "v", "V_1"]), max_size=3)
_COUNTS = st.integers(1, 20)
_DURATIONS = st.sampled_from(["1s", "1500ms", "10m", "1h30m", "PT5M"])
_CPU = st.sampled_from(["100m", "1", "2", "1.5", 3])
_MEMORY = st.sampled_from(["512Mi", "6Gi", "1.5G", "1e9", "2000000000", "1Ti"])
_BLOCKS = st.sampled_from([(), ("requests",), ("limits",), ("requests", "limits")])
_MODES = st.sampled_from(["allow", "constrain", "prevent", "none"])
_TOLERATIONS: Any = st.lists(
    st.sampled_from(
        [
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            {"key": "b", "value": "c", "effect": "NoSchedule"},
            {"operator": "Exists"},
        ]
    ),
    max_size=3,
)
_AFFINITIES: Any = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.just(NODE_AFFINITY),
        "podAffinity": st.just(POD_AFFINITY),
        "podAntiAffinity": st.just(POD_ANTI_AFFINITY),
    },
)
_ENV: Any = st.lists(
    st.sampled_from([*ENV, {"name": "RUNBUS_LOG_LEVEL", "value": "loud"}]),
    unique_by=lambda each: str(each["name"]),
)
_SOURCES: Any = st.sampled_from(
    [
        {"pvc": "claim"},
        {"config_map": "cfg", "items": {"a": "a.txt"}},
        {"config_map": "cfg"},
        {"secret": "key", "items": {"b": "x/b"}},
        {"secret": "key"},
        {"empty_dir": {"medium": "Memory", "size": "8Gi"}},
        {"empty_dir": {}},
        {"v3io": {"container": "projects", "path": "nlp/a", "secret": "v3io-key"}},
        {"v3io": {"path": "~/notebooks", "secret": "v3io-key"}},
        {"v3io": {"container": "bigdata", "secret": "v3io-key"}},
        {"host_path": "/mnt/x"},
    ]
)


@st.composite
def _volumes(draw: st.DrawFn) -> list[Raw]:
    sources = draw(st.lists(_SOURCES, max_size=4))
    return [
        {
            "name": f"v{position}",
            "mount": f"/mnt/v{position}",
            **source,
            **({"read_only": True} if draw(st.booleans()) else {}),
            **({"sub_path": "a/b"} if draw(st.booleans()) else {}),
        }
        for position, source in enumerate(sources)
    ]


@st.composite
def _resources(draw: st.DrawFn) -> Raw:
    found: Raw = {}
    for name, amounts in (("cpu", _CPU), ("memory", _MEMORY)):
        amount = draw(amounts)
        for block in draw(
            st.sampled_from([(), ("requests",), ("limits",), ("requests", "limits")])
        ):
            found.setdefault(block, {})[name] = amount
    if draw(st.booleans()):
        found["gpus"] = {"type": "nvidia.com/gpu", "count": draw(st.integers(0, 8))}
    if draw(st.booleans()):
        found.setdefault("limits", {})["example.com/fpga"] = 1
    if draw(st.booleans()):
        found.setdefault("requests", {})["ephemeral-storage"] = "1Gi"
    return found


def _optional(**settings: st.SearchStrategy[Any]) -> st.SearchStrategy[Raw]:
    return st.fixed_dictionaries({}, optional=settings)


_OF_A_ROLE = _optional(
    env=_ENV,
    resources=_resources(),
    preemption_mode=_MODES,
    priority_class=st.just("low"),
    node_selector=_LABELS,
    tolerations=_TOLERATIONS,
    affinity=_AFFINITIES,
)
_OF_EVERY_KIND = _optional(
    user=st.just("ada"),
    command=st.sampled_from(["python", ["python", "-m"], "local:///opt/app.py"]),
    args=st.lists(st.sampled_from(["--epochs={epochs}", "{{x}}", "$(HOME)", ""]), max_size=3),
    workdir=st.just("/app"),
    parameters=st.just({"epochs": 3, "price": "$5"}),
    env=_ENV,
    env_from=st.just([{"secret": "s"}, {"config_map": "c"}]),
    image_pull_policy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
    image_pull_secret=st.just("regcred"),
    resources=_resources(),
    volumes=_volumes(),
    preemption_mode=_MODES,
    priority_class=st.just("high"),
    node_selector=_LABELS,
    node_name=st.just("node-1"),
    tolerations=_TOLERATIONS,
    affinity=_AFFINITIES,
    service_account=st.just("runner"),
    security_context=_optional(
        run_as_user=st.integers(0, 9), run_as_group=st.just(0), fs_group=st.just(7)
    ),
    termination_grace_period=_DURATIONS,
    state_thresholds=st.just({"running": "6h", "pending_not_scheduled": "-1"}),
    labels=_LABELS,
    annotations=st.just({"example.com/owner": "me"}),
    log_level=st.sampled_from(["error", "debug"]),
    retry=st.just({"limit": 2, "backoff": "30s", "on": ["infrastructure"]}),
    ttl_after_finish=st.just("2h"),
    auto_mount=st.booleans(),
)
_MPI = _optional(
    slots_per_worker=_COUNTS,
    args=st.just(["--allow-run-as-root"]),
    clean_pod_policy=st.sampled_from(["All", "Running", "None"]),
)
_SPARK_PROGRAMS: Any = st.sampled_from(
    [{}, {"type": "Python"}, {"type": "R"}]
    + [{"type": each, "main_class": "com.example.Main"} for each in ("Scala", "Java")]
)
_SPARK_CONFS = _optional(
    conf=st.sampled_from([{"a.b": "1"}, {"spark.driver.memoryOverhead": "1g"}]),
)
_SPARK = st.builds(lambda program, conf: {**program, **conf}, _SPARK_PROGRAMS, _SPARK_CONFS)
_DASK_JOBS = _optional(nthreads=_COUNTS).map(lambda dask: {"mode": "job", **dask})
_DASK_CLUSTERS = _optional(mode=st.just("cluster"), nthreads=_COUNTS, idle_timeout=_DURATIONS)
_DASK = st.one_of(_DASK_JOBS, _DASK_CLUSTERS)
_INGRESSES: Any = st.sampled_from(
    [{}, {"host": "a.example.com"}, {"host": "b.example.com", "paths": ["/", "/v2"]}]
)
_HTTP = st.builds(
    lambda trigger, ingress: {**trigger, **ingress},
    _optional(
        workers=_COUNTS,
        worker_timeout=st.sampled_from(["1500ms", "30s"]),
        gateway_timeout=st.just("90s"),
    ),
    _INGRESSES,
)
_STREAM = _optional(
    name=st.just("events"),
    group=st.just("serving"),
    seek_to=st.sampled_from(["latest", "earliest"]),
    shards=_COUNTS,
    max_workers=_COUNTS,
).map(lambda stream: {"path": "v3io:///projects/iot/events", **stream})
_NUCLIO = _optional(readiness_timeout=_DURATIONS, http=_HTTP, v3io_stream=_STREAM)


@st.composite
def any_run(draw: st.DrawFn, kind: str) -> Raw:
    """Return a right document of a kind."""
    document: Raw = {
        **draw(_OF_EVERY_KIND),
        "project": draw(_PROJECTS),
        "name": draw(_NAMES),
        "kind": kind,
        "image": "registry.example.com/nlp/finetune:3",
        **draw(_section(kind)),
    }
    document.setdefault("command", "python")
    document.update(draw(_scaling(kind, document)))
    roles = _roles_of(kind, document)
    if roles:
        document["roles"] = draw(
            st.fixed_dictionaries({}, optional=dict.fromkeys(roles, _OF_A_ROLE))
        )
        _agree(document)
    if kind in ("job", "mpijob", "spark") and draw(st.booleans()):
        document["queue"] = {"system": "kueue", "name": "team"}
    return {key: each for key, each in document.items() if key not in _unfit(kind, document)}


def _agree(document: Raw) -> None:
    """Let a worker have the amounts of its run: a request and a limit of two levels must fit."""
    worker = document["roles"].get("worker", {}).get("resources", {})
    blocks = ("requests", "limits")
    for block in blocks:
        of_run = [document.get("resources", {}).get(each, {}) for each in blocks]
        for name in worker.get(block, {}):
            amounts = [each[name] for each in of_run if name in each]
            if amounts:
                worker[block] = {**worker[block], name: amounts[0]}


def _roles_of(kind: str, document: Raw) -> tuple[str, ...]:
    roles = ROLES.get(kind, ())
    return tuple(each for each in roles if each != "runner" or is_dask_job(document))


def is_dask_job(document: Raw) -> bool:
    """Say whether a document asks for a dask cluster that ends with its program."""
    return bool(document.get("dask", {}).get("mode") == "job")


def _unfit(kind: str, document: Raw) -> set[str]:
    """Return the settings that a kind cannot have."""
    if kind in FUNCTIONS:
        return {"command", "args", "workdir", "state_thresholds", "termination_grace_period"}
    if kind == "spark":
        return {"resources"}
    is_cluster = kind == "dask" and not is_dask_job(document)
    return {"command", "args", "state_thresholds"} if is_cluster else set()


@st.composite
def _scaling(draw: st.DrawFn, kind: str, document: Raw) -> Raw:
    stream = document.get("nuclio", {}).get("v3io_stream", {})
    if kind == "job" or "shards" in stream:
        return {}
    if kind == "mpijob" or stream or draw(st.booleans()):
        return {"replicas": draw(_COUNTS)}
    least = draw(st.integers(0, 5))
    most = max(1, least + draw(st.integers(0, 5)))
    found: Raw = {"min_replicas": least, "max_replicas": most}
    asks_for_cpu = "cpu" in document.get("resources", {}).get("requests", {})
    if kind in FUNCTIONS and asks_for_cpu and least != most and draw(st.booleans()):
        found["target_cpu"] = 60
    return found


def _section(kind: str) -> st.SearchStrategy[Raw]:
    match kind:
        case "mpijob":
            return _optional(mpi=_MPI)
        case "spark":
            return _SPARK.map(lambda spark: {"spark": {"version": "3.5.6", **spark}})
        case "dask":
            return _optional(dask=_DASK)
        case "nuclio" | "serving":
            needed = {"handler": "main:handler", "runtime": "python:3.11"}
            return _NUCLIO.map(lambda nuclio: {"nuclio": {**needed, **nuclio}})
        case _:
            return st.just({})
