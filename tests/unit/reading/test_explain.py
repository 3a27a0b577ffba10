"""Readings in words, and the causes of failed pulls."""

from __future__ import annotations

import pytest

from runbus.reading.explain import (
    MAX_TEXT_CHARS,
    describe,
    describe_ending,
    shorten_pull_error,
)
from runbus.reading.pods import read_pod
from support.pods import PodBuilder, a_bound_pod, a_pod

INIT = a_bound_pod().with_init().waiting("PodInitializing")
PULL = (
    "rpc error: code = NotFound desc = failed to pull and unpack image"
    ' "registry.example.com/x:1": failed to resolve reference "registry.example.com/x:1":'
    " registry.example.com/x:1: not found"
)

TEXTS: dict[str, tuple[PodBuilder, str]] = {
    "held": (
        a_pod().gated("kueue.x-k8s.io/admission"),
        "held by scheduling gate kueue.x-k8s.io/admission",
    ),
    "not seen": (a_pod(), "not seen by a scheduler yet"),
    "no node fits": (
        a_pod().unschedulable(
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available:"
            " 1 No preemption victims found for incoming pod."
        ),
        "no node fits: 0/1 nodes are available: 1 Insufficient cpu.",
    ),
    "no node fits, without a word": (a_pod().unschedulable(""), "no node fits"),
    "scheduler fails": (
        a_pod().condition("PodScheduled", "False", reason="SchedulerError", message="no cache"),
        "no cache",
    ),
    "image": (
        a_bound_pod().waiting("ErrImagePull", PULL),
        "cannot pull registry.example.com/x:1: not found",
    ),
    "image, cause not told": (
        a_bound_pod().waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
        "cannot pull registry.example.com/x:1: the pull fails",
    ),
    "image of an init container": (
        INIT.waiting("ErrImagePull", "unauthorized", container="init-data"),
        "cannot pull registry.example.com/init-data:1 (container init-data): unauthorized",
    ),
    "image name": (
        a_bound_pod().waiting("InvalidImageName", "couldn't parse image name"),
        "cannot pull registry.example.com/x:1: this is not a valid image name",
    ),
    "image policy": (
        a_bound_pod().waiting("ErrImageNeverPull"),
        "cannot pull registry.example.com/x:1: the node does not have it, and the pull policy is"
        " Never",
    ),
    "registry": (
        a_bound_pod().waiting("RegistryUnavailable"),
        "cannot pull registry.example.com/x:1: the registry is not available",
    ),
    "kubelet silent": (
        a_bound_pod(),
        "bound on node node-1, whose kubelet has not reported on it yet",
    ),
    "being created": (
        a_bound_pod().waiting("ContainerCreating"),
        "its containers are being made on node node-1",
    ),
    "init runs": (INIT.running(container="init-data"), "init container init-data is running"),
    "init waits": (INIT, "its init containers run on node node-1"),
    "secret": (
        a_bound_pod().waiting("CreateContainerConfigError", 'secret "a" not found'),
        'CreateContainerConfigError: secret "a" not found',
    ),
    "runs": (a_bound_pod().running(), "running"),
    "crash loop": (
        a_bound_pod(restart_policy="Always").waiting("CrashLoopBackOff").restarted(5),
        "CrashLoopBackOff: keeps ending, 5 restarts; last exited with 1",
    ),
    "completed": (a_bound_pod().terminated(0), "completed"),
    "exit code": (a_bound_pod().terminated(3), "exited with 3"),
    "out of memory": (
        a_bound_pod().terminated(137, reason="OOMKilled"),
        "killed: out of memory (OOMKilled)",
    ),
    "init failed": (
        a_bound_pod().with_init().terminated(3, container="init-data"),
        "init container init-data exited with 3",
    ),
    "evicted": (
        a_bound_pod().phase("Failed", reason="Evicted", message="The node was low on disk. "),
        "evicted by its node: The node was low on disk.",
    ),
    "preempted": (
        a_bound_pod().disrupted("PreemptionByScheduler").phase("Failed"),
        "preempted by a pod of higher priority",
    ),
    "rejected": (
        a_bound_pod().phase("Failed", reason="OutOfcpu", message="Node didn't have cpu"),
        "Node didn't have cpu (OutOfcpu)",
    ),
    "rejected without a word": (a_bound_pod().phase("Failed", reason="OutOfcpu"), "OutOfcpu"),
    "failed without a word": (a_bound_pod().phase("Failed"), "Error"),
}


@pytest.mark.parametrize(("builder", "text"), TEXTS.values(), ids=TEXTS)
def test_a_reading_is_told_in_a_few_words(builder: PodBuilder, text: str) -> None:
    assert describe(read_pod(builder.pod())) == text


def test_the_image_of_the_document_may_be_named_instead() -> None:
    reading = read_pod(a_bound_pod().waiting("ErrImagePull", PULL).pod())
    assert describe(reading, image="x:1") == "cannot pull x:1: not found"
    assert reading.message == PULL


def test_a_long_text_is_cut_and_put_on_one_line() -> None:
    pod = a_bound_pod().terminated(1, message="line\n" * 200).pod()
    text = describe(read_pod(pod))
    assert len(text) == MAX_TEXT_CHARS
    assert text.endswith("…")
    assert "\n" not in text


def test_how_a_pod_will_count_is_told_in_words() -> None:
    running = a_bound_pod().running()
    assert describe_ending(read_pod(running.pod())) is None
    evicted = running.disrupted("EvictionByEvictionAPI", message="Eviction API: evicting")
    assert describe_ending(read_pod(evicted.deleting().pod())) == (
        "ends as error, class infrastructure: evicted, mostly because its node is drained:"
        " Eviction API: evicting (EvictionByEvictionAPI)"
    )
    assert describe_ending(read_pod(running.deleting().pod())) == (
        "ends as error, class user: the pod was deleted by somebody (PodDeleted)"
    )


RESOLVE = 'failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": '


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("", ""),
        ("not found", "not found"),
        (PULL, "not found"),
        ('Back-off pulling image "r/x:1"', ""),
        (f'Back-off pulling image "r/x:1": ErrImagePull: {RESOLVE}r/x:1: not found', "not found"),
        (
            f"{RESOLVE}pull access denied, repository does not exist or may require"
            " authorization: server message: insufficient_scope: authorization failed",
            "pull access denied, repository does not exist or may require authorization",
        ),
        (
            f'{RESOLVE}failed to do request: Head "https://r/v2/x/manifests/1": dial tcp: lookup r'
            " on 10.96.0.10:53: no such host",
            "lookup r on 10.96.0.10:53: no such host",
        ),
        (
            f'{RESOLVE}failed to do request: Head "https://r/v2/x/manifests/1":'
            " dial tcp 10.0.0.1:443: connect: connection refused",
            "connect: connection refused",
        ),
        (
            f'{RESOLVE}failed to do request: Head "https://r/v2/x/manifests/1":'
            " tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ),
        (
            f"{RESOLVE}unexpected status from HEAD request to https://r/v2/x/manifests/1:"
            " 401 Unauthorized",
            "401 Unauthorized",
        ),
        (
            'failed to pull and unpack image "r/x:1": failed to copy: httpReadSeeker: failed open:'
            " unexpected status code https://r/v2/x/blobs/sha256:ab: 429 Too Many Requests",
            "429 Too Many Requests",
        ),
        (
            'failed to pull and unpack image "r/x:1": no match for platform in manifest: not found',
            "no match for platform in manifest: not found",
        ),
        (
            'failed to pull and unpack image "r/x:1": failed to extract layer sha256:abc:'
            " write /var/lib/x: no space left on device: unknown",
            "failed to extract layer sha256:abc: write /var/lib/x: no space left on device:"
            " unknown",
        ),
        (
            "Error response from daemon: manifest for x:1 not found: manifest unknown:"
            " manifest unknown",
            "manifest for x:1 not found: manifest unknown",
        ),
        (
            "rpc error: code = Unknown desc = initializing source docker://r/x:1: pinging container"
            ' registry r: Get "https://r/v2/": dial tcp 1.2.3.4:443: i/o timeout',
            "i/o timeout",
        ),
        ("denied: requested access is denied", "denied: requested access is denied"),
    ],
)
def test_a_failed_pull_is_cut_down_to_its_cause(message: str, cause: str) -> None:
    assert shorten_pull_error(message) == cause
