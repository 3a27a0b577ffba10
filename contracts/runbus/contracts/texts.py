"""How long the free texts in a message may be: what people and servers write is cut, not refused.

A status stands in every event of its run, and some of its texts more than once: one long text
could make an event that no stream takes, and its run could never go on.
"""

from __future__ import annotations

MESSAGE_CHARACTERS_MAX = 2000  # of a server, a kubelet, or a person who says why
WHO_CHARACTERS_MAX = 253  # who asks, as the `user` of a document; also of names and codes


def cut(text: str, characters_max: int = MESSAGE_CHARACTERS_MAX) -> str:
    """Return a text that is not longer than it may be; an ellipsis says that more stood there."""
    return text if len(text) <= characters_max else f"{text[: characters_max - 1]}…"
