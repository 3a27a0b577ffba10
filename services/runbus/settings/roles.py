"""One role's settings: those of the run, with the role's own merged over them as one more level.

Source: the page on settings, sections 1 and 4. It must not know objects.
"""

from __future__ import annotations

from runbus.contracts.document import RunDocument
from runbus.contracts.states import Role


def document_of(document: RunDocument, role: Role) -> RunDocument:
    """Return an effective document as it stands for one role, without `roles`.

    `resources` of an mpijob's launcher, of dask's scheduler and runner, and of spark's driver and
    executor are their own only; those of workers are the run's with the role's merged over them.
    """
    raise NotImplementedError  # replaced by the settings part of this branch
