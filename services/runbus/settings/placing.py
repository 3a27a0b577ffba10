"""Where the pods of a run may go: preemption mode and GPU tolerations, worked into the document.

Computed from the fully merged settings each time objects are made, never stored back. Source: the
page on settings, section 6. It must not know levels, kinds or objects.
"""

from __future__ import annotations

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform


def placed(document: RunDocument, platform: Platform) -> RunDocument:
    """Return a document whose tolerations and affinity say what its preemption mode asks for.

    Args:
        document: an effective document, or one role's (`roles.document_of`).
        platform: what a spot node is, and what pods with a GPU tolerate.

    """
    raise NotImplementedError  # replaced by the settings part of this branch
