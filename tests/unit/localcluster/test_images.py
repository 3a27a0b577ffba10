"""Which images exist, and the words for those that do not."""

import pytest

from runbus.localcluster.runner.images import Backoff, back_off, judge_image

MISSING = ("*missing*", "gone/*")


@pytest.mark.parametrize(
    ("image", "policy", "present", "reason"),
    [
        ("x:1", "IfNotPresent", (), None),
        ("x:1", "Never", (), None),
        ("a-missing:1", "IfNotPresent", (), "ErrImagePull"),
        ("a-missing:1", "IfNotPresent", ("a-missing:1",), None),
        ("gone/x", "Always", (), "ErrImagePull"),
        ("a-missing:1", "Never", (), "ErrImageNeverPull"),
        ("UPPER", "Always", (), "InvalidImageName"),
        ("", "Always", (), "InvalidImageName"),
    ],
)
def test_images_are_judged(
    image: str, policy: str, present: tuple[str, ...], reason: str | None
) -> None:
    problem = judge_image(image, policy, MISSING, frozenset(present))
    assert (problem.reason if problem else None) == reason


def test_the_words_are_those_of_containerd_and_the_kubelet() -> None:
    problem = judge_image("a-missing", "Always", MISSING, frozenset())
    assert problem is not None
    assert problem.message == (
        'failed to pull and unpack image "a-missing:latest": failed to resolve reference '
        '"a-missing:latest": a-missing:latest: not found'
    )
    assert back_off("a-missing", problem).message == (
        f'Back-off pulling image "a-missing": ErrImagePull: {problem.message}'
    )


@pytest.mark.parametrize(
    ("failures", "delay_s"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (10_000, 300)]
)
def test_delays_double_up_to_the_maximum(failures: int, delay_s: float) -> None:
    assert Backoff(10, 300).delay_s(failures) == delay_s
