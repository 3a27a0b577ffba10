"""Which devices a pod has: extended resources such as nvidia.com/gpu, one index each. No I/O.

A device is a number; numbers are given out once over all nodes of the machine, so that two
simulated nodes do not hand out one real GPU.
"""

from collections.abc import Iterable, Mapping

from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.shapes import Container, Pod

# resource -> the variables that frameworks read, and what hides all devices
_VARIABLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "nvidia.com/gpu": (("CUDA_VISIBLE_DEVICES", ""), ("NVIDIA_VISIBLE_DEVICES", "void")),
    "amd.com/gpu": (("HIP_VISIBLE_DEVICES", ""), ("ROCR_VISIBLE_DEVICES", "")),
}


class NoDevice(Exception):  # noqa: N818 - a state of the pod: UnexpectedAdmissionError
    """A pod asks for more devices than are free; the message is a kubelet's."""


class Devices:
    """The devices of one node. ``uncounted``: resources that it has, without numbers."""

    def __init__(
        self, owned: Mapping[str, Iterable[int]], uncounted: frozenset[str] = frozenset()
    ) -> None:
        self._uncounted = uncounted
        self._owned = {name: tuple(numbers) for name, numbers in owned.items()}
        self._free = {name: list(numbers) for name, numbers in self._owned.items()}
        self._taken: dict[str, dict[str, dict[str, list[int]]]] = {}

    def allot(self, pod: Pod) -> None:
        """Give a pod its devices; raises NoDevice, and then it has none.

        Init containers use those of the containers that come after them.
        """
        uid = pod.metadata.uid
        if uid in self._taken:
            return
        taken: dict[str, dict[str, list[int]]] = {}
        self._taken[uid] = taken
        for container in pod.spec.containers or ():
            for name, count in wanted(container).items():
                if name in self._uncounted:
                    continue
                free = self._free.get(name, [])
                if count > len(free):
                    available = len(free)
                    self.free(uid)
                    raise NoDevice(
                        "Allocate failed due to requested number of devices unavailable for "
                        f"{name}. Requested: {count}, Available: {available}, "
                        "which is unexpected"
                    )
                chosen, self._free[name] = free[:count], free[count:]
                taken.setdefault(container.name, {})[name] = chosen
        spare: dict[str, list[int]] = {}
        for each in taken.values():
            for name, numbers in each.items():
                spare.setdefault(name, []).extend(numbers)
        for container in pod.spec.init_containers or ():
            asked = wanted(container)
            taken[container.name] = {
                name: spare.get(name, [])[:count] for name, count in asked.items()
            }

    def free(self, uid: str) -> None:
        """Take a pod's devices back."""
        for each in self._taken.pop(uid, {}).values():
            for name, numbers in each.items():
                self._free[name] = sorted({*self._free[name], *numbers})

    def environment(self, uid: str, container: str) -> dict[str, str]:
        """What frameworks read to see their devices, and no others."""
        has = self._taken.get(uid, {}).get(container, {})
        shown: dict[str, str] = {}
        for name in self._owned:
            for variable, hidden in _VARIABLES.get(name, ()):
                numbers = ",".join(str(each) for each in has.get(name, ()))
                shown[variable] = numbers or hidden
        return shown


def wanted(container: Container) -> dict[str, int]:
    """The devices a container asks for: its extended resources."""
    resources = container.resources
    given = {
        **((resources.requests if resources else None) or {}),
        **((resources.limits if resources else None) or {}),
    }
    counts = {name: parse_quantity(str(text)) for name, text in given.items() if is_device(name)}
    return {name: int(count) for name, count in counts.items() if count > 0}


def is_device(name: str) -> bool:
    """Whether a resource is counted in devices: it has a domain, and not Kubernetes' own."""
    return "/" in name and not name.startswith(("kubernetes.io/", "hugepages-"))
