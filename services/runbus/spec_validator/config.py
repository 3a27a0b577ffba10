"""Settings of the spec-validator."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runbus.runtime.config import KubeConfig


class ValidatorConfig(KubeConfig, frozen=True, kw_only=True):
    """What the spec-validator can be told."""

    defaults_file: Annotated[str, Meta(description="what holds while the bus has no defaults")] = ""
    function_sources: Annotated[
        tuple[str, ...], Meta(description="of the catalogue: name=/folder or name=https://address")
    ] = ()
    in_hand_max: Annotated[int, Meta(description="documents in hand at once", ge=1)] = 128
