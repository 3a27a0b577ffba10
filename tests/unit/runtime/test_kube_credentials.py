"""When credentials are renewed, and what becomes of requests meanwhile."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from runbus.runtime.kube_credentials import RENEW_EVERY_S, Credentials, CredentialsError
from support.clocks import ManualClock
from support.runs import at


class Source:
    """Gives out a new token each time it is asked, good for so many seconds."""

    def __init__(self, clock: ManualClock, life_s: float | None) -> None:
        self._clock = clock
        self._life_s = life_s
        self.loads = 0
        self.fails = False

    async def auth_settings(self) -> dict[str, Any]:
        token = f"token-{self.loads}"
        return {"BearerToken": {"in": "header", "key": "authorization", "value": token}}

    async def load(self) -> datetime | None:
        if self.fails:
            raise OSError("no such plugin")
        self.loads += 1
        if self._life_s is None:
            return None
        return at(self._clock.now().timestamp() - at(0).timestamp() + self._life_s)


async def loaded(life_s: float | None) -> tuple[ManualClock, Source, Credentials]:
    clock = ManualClock()
    source = Source(clock, life_s)
    credentials = Credentials(source, source.load, clock)
    await credentials.load()
    return clock, source, credentials


async def token_of(credentials: Credentials) -> str:
    return (await credentials.headers())["authorization"]


@pytest.mark.parametrize(("life_s", "kept_s"), [(900, 839), (80, 59)])
async def test_a_token_is_renewed_shortly_before_it_runs_out(life_s: float, kept_s: float) -> None:
    clock, _, credentials = await loaded(life_s)

    clock.advance(kept_s)
    assert await token_of(credentials) == "token-1"
    clock.advance(2)
    assert await token_of(credentials) == "token-2"


async def test_a_token_of_unknown_life_is_kept_until_it_is_refused() -> None:
    clock, _, credentials = await loaded(None)

    clock.advance(1_000_000)
    assert await token_of(credentials) == "token-1"
    assert await credentials.renew(credentials.generation)
    assert await token_of(credentials) == "token-2"


async def test_a_token_that_another_request_has_renewed_is_not_renewed_again() -> None:
    _, source, credentials = await loaded(None)
    refused = credentials.generation

    assert await credentials.renew(refused)
    assert await credentials.renew(refused)

    assert source.loads == 2


async def test_between_two_renewals_some_seconds_pass() -> None:
    clock, source, credentials = await loaded(None)
    await credentials.renew(credentials.generation)

    assert not await credentials.renew(credentials.generation)
    clock.advance(RENEW_EVERY_S)
    assert await credentials.renew(credentials.generation)

    assert source.loads == 3


async def test_a_renewal_that_fails_costs_nothing_while_the_token_holds() -> None:
    clock, source, credentials = await loaded(900)
    source.fails = True

    clock.advance(890)
    assert await token_of(credentials) == "token-1"
    clock.advance(10)
    with pytest.raises(CredentialsError, match="no such plugin"):
        await credentials.headers()
    source.fails = False
    clock.advance(RENEW_EVERY_S)
    assert await token_of(credentials) == "token-2"


async def test_without_a_source_there_is_nothing_to_renew() -> None:
    clock = ManualClock()
    credentials = Credentials(Source(clock, None), None, clock)

    assert not await credentials.renew(credentials.generation)
