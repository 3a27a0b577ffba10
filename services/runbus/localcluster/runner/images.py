"""Which images "exist", and what containerd and the kubelet say about those that do not. Pure."""

import fnmatch

import msgspec

from runbus.localcluster.rules.names import parse_image

ERR_PULL = "ErrImagePull"
BACK_OFF = "ImagePullBackOff"
NEVER = "ErrImageNeverPull"
INVALID = "InvalidImageName"


class ImageProblem(msgspec.Struct, frozen=True):
    """Why a container cannot have its image; ``final``: trying again cannot help."""

    reason: str
    message: str
    final: bool = False


def normalised(image: str) -> str:
    """The reference with its default tag, as pulled."""
    parsed = parse_image(image)
    if parsed is None or parsed[1] or parsed[2]:
        return image
    return f"{image}:latest"


def judge_image(
    image: str, policy: str, missing: tuple[str, ...], present: frozenset[str]
) -> ImageProblem | None:
    """Say what is wrong with an image; None where it can be had.

    ``missing`` are fnmatch patterns of images that no registry has; ``present`` those pulled
    before. Under Never an image is taken as present unless it is missing.
    """
    if parse_image(image) is None:
        why = f'couldn\'t parse image name "{image}": invalid reference format'
        return ImageProblem(INVALID, f'Failed to apply default image tag "{image}": {why}', True)
    if image in present or not any(fnmatch.fnmatchcase(image, each) for each in missing):
        return None
    if policy == "Never":
        return ImageProblem(
            NEVER, f'Container image "{image}" is not present with pull policy of Never', True
        )
    full = normalised(image)
    return ImageProblem(
        ERR_PULL,
        f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
        f"{full}: not found",
    )


def back_off(image: str, problem: ImageProblem) -> ImageProblem:
    """What the kubelet shows between two pulls."""
    message = f'Back-off pulling image "{image}": {ERR_PULL}: {problem.message}'
    return ImageProblem(BACK_OFF, message)


class Backoff(msgspec.Struct, frozen=True):
    """A delay that doubles up to a maximum; seconds."""

    initial_s: float
    max_s: float

    def delay_s(self, failures: int) -> float:
        """The delay after that many failures (the first is 1)."""
        doublings = min(max(failures - 1, 0), 30)
        return float(min(self.initial_s * 2**doublings, self.max_s))
