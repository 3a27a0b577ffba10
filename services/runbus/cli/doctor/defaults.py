"""Which defaults the services hold to, as far as the bus tells."""

from __future__ import annotations

from runbus.cli.doctor.findings import Finding, Section, ok, problem
from runbus.cli.output.revisions import judged, told
from runbus.sdk.bus import Bus
from runbus.sdk.defaults import DefaultsRevision, kept_defaults
from runbus.sdk.errors import NotFoundError


async def check_defaults(bus: Bus) -> list[Finding]:
    """Return which revision is in force, or that the newest one cannot be."""
    try:
        kept = await kept_defaults(bus)
    except NotFoundError:
        return []  # a missing bucket has been told among the streams
    return [judged_defaults(kept)]


def judged_defaults(kept: list[DefaultsRevision]) -> Finding:
    """Return what there is to say of the kept revisions, oldest first."""
    found = judged(kept)
    usable = found.usable if found.usable and found.usable.defaults is not None else None
    holds = f"revision {usable.revision}" if usable else "a service's own RUNBUS_DEFAULTS_FILE"
    if found.unusable:
        newest = next(each for each in kept if each.revision == found.unusable[0].revision)
        way_out = "`runbus defaults edit` shows what is wrong and stores what is right"
        text = f"{told(newest)} is refused and has no effect; {holds} holds"
        return problem(Section.DEFAULTS, text, way_out)
    if usable is None:
        return ok(Section.DEFAULTS, f"none on the bus: {holds} holds, else what is shipped")
    newest = kept[-1]
    return ok(Section.DEFAULTS, f"{told(newest)}; it wins over any RUNBUS_DEFAULTS_FILE")
