"""A Spark role's resources in Spark's own units: cores, heap, one sort of GPU, and the rest.

Spark asks for memory as heap plus overhead, where Kubernetes has one number. A request is the
heap; a limit bounds the whole container, and the heap gives way where both do not fit (ADR 0015).
Source of the overhead: Spark's page on Kubernetes (memoryOverheadFactor). It must not know
documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from runbus.contracts.quantities import parse_quantity
from runbus.pod_launcher.manifest.metadata import Manifest

_MI = 2**20
OVERHEAD_MI_MIN = 384
OVERHEAD_PERCENT_JVM = 10
OVERHEAD_PERCENT_OTHER = 40  # Python and R: what runs beside the virtual machine

Amounts = Mapping[str, str]


def role_resources(
    requests: Amounts, limits: Amounts, device: str | None, overhead_percent: int | None
) -> Manifest:
    """Return the fields of a driver or executor that say what it gets.

    Args:
        requests: as Kubernetes has them, a device in both alike.
        limits: likewise.
        device: the one that Spark has a field for.
        overhead_percent: what Spark adds to the heap; None where the user's own conf says it.

    """
    return {
        **_cores(requests.get("cpu"), limits.get("cpu")),
        **_memory(requests.get("memory"), limits.get("memory"), overhead_percent),
        **_gpu(device, limits),
    }


def other_resources(
    requests: Amounts, limits: Amounts, device: str | None
) -> dict[str, dict[str, str]]:
    """Return what Spark has no field for: disk, huge pages, further devices."""
    known = {"cpu", "memory", device}
    blocks = {"requests": requests, "limits": limits}
    left = {
        block: {name: amount for name, amount in amounts.items() if name not in known}
        for block, amounts in blocks.items()
    }
    return {block: amounts for block, amounts in left.items() if amounts}


def device_of(limits: Amounts, gpu: str | None) -> str | None:
    """Return the one device that Spark has a field for: the GPU, else the first one."""
    devices = [name for name in limits if "/" in name and parse_quantity(limits[name])]
    return gpu if gpu in devices else next(iter(devices), None)


def spark_memory(mebibytes: int) -> str:
    """Return an amount of memory as Spark writes it: `6g`, or `1431m` where it is not whole."""
    gibibytes, rest = divmod(mebibytes, 1024)
    return f"{mebibytes}m" if rest else f"{gibibytes}g"


def _cores(request: str | None, limit: str | None) -> Manifest:
    """Return task slots, and what the container asks for and may use."""
    amount = request or limit
    if amount is None:
        return {}
    cores = max(1, math.ceil(parse_quantity(amount)))
    return {"cores": cores, "coreRequest": request, "coreLimit": limit}


def _memory(request: str | None, limit: str | None, overhead_percent: int | None) -> Manifest:
    amount = request or limit
    if amount is None:
        return {}
    heap_mi = math.ceil(parse_quantity(amount) / _MI)
    if limit is not None and overhead_percent is not None:
        limit_mi = math.floor(parse_quantity(limit) / _MI)
        fits_mi = min(limit_mi - OVERHEAD_MI_MIN, limit_mi * 100 // (100 + overhead_percent))
        heap_mi = min(heap_mi, fits_mi)
    return {"memory": spark_memory(max(1, heap_mi)), "memoryLimit": limit}


def _gpu(device: str | None, limits: Amounts) -> Manifest:
    if device is None:
        return {}
    return {"gpu": {"name": device, "quantity": int(parse_quantity(limits[device]))}}
