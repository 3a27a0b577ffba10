"""Moments: how every timestamp of a message is typed.

An RFC 3339 timestamp always has its zone. One without would pass for a while and then fail, deep
inside a service, the first time it is compared with another; so it is refused at the door.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]
