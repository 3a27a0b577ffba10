"""The client's own rate limit on the connection: what waits, what is counted, what is not sent."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web

from runbus.runtime.kube_errors import KubeUnavailableError
from runbus.runtime.metrics import Metrics
from support.kube_servers import a_refusal, an_object, connected, running_kube_server

QPS = 20.0
SLOW = 0.001  # the next turn is not within any test's patience


async def answer(_request: web.Request) -> web.StreamResponse:
    return an_object({})


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(10):
        await response.write(b"{}\n")
    return response


def waited(metrics: Metrics, of: str) -> float:
    found = metrics.registry.get_sample_value(f"runbus_kube_rate_limiter_duration_seconds_{of}")
    assert found is not None
    return found


async def test_requests_go_out_at_the_rate_and_what_they_waited_is_told(tmp_path: Path) -> None:
    metrics = Metrics()
    async with (
        running_kube_server(answer) as server,
        connected(tmp_path, server.url, qps=QPS, burst=2, metrics=metrics) as kube,
    ):
        began = time.monotonic()
        await asyncio.gather(*(kube.request("GET", f"/{number}") for number in range(8)))
        took_s = time.monotonic() - began

    assert took_s >= 6 / QPS
    assert waited(metrics, "count") == 8
    assert waited(metrics, "sum") == pytest.approx(sum(range(1, 7)) / QPS, rel=0.5)


@pytest.mark.parametrize("none", [0.0, -1.0])
async def test_without_a_rate_nothing_waits(tmp_path: Path, none: float) -> None:
    metrics = Metrics()
    async with (
        running_kube_server(answer) as server,
        connected(tmp_path, server.url, qps=none, metrics=metrics) as kube,
    ):
        await kube.request("GET", "/")

    assert waited(metrics, "count") == 0


async def test_what_would_wait_too_long_is_not_sent_and_says_when_to_come_back(
    tmp_path: Path,
) -> None:
    metrics = Metrics()
    async with (
        running_kube_server(answer) as server,
        connected(tmp_path, server.url, qps=SLOW, burst=1, metrics=metrics) as kube,
    ):
        await kube.request("GET", "/first")
        with pytest.raises(KubeUnavailableError, match="kube_qps") as caught:
            await kube.request("POST", "/second")

    assert caught.value.retry_after_s == pytest.approx(1 / SLOW, rel=0.1)
    assert server.asked == [("GET", "/first")]
    sent = metrics.registry.get_sample_value(
        "runbus_kube_requests_total", {"method": "POST", "code": "0"}
    )
    assert sent is None, "what was not sent is no request without an answer"


async def test_a_watch_takes_one_turn_whatever_it_brings(tmp_path: Path) -> None:
    metrics = Metrics()
    async with (
        running_kube_server(events) as server,
        connected(tmp_path, server.url, qps=SLOW, burst=1, metrics=metrics) as kube,
        kube.stream("/pods", {"watch": "true"}) as chunks,
    ):
        lines = b"".join([chunk async for chunk in chunks]).splitlines()

    assert len(lines) == 10
    assert waited(metrics, "count") == 1


async def test_a_second_try_with_new_credentials_takes_no_second_turn(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    async def let_in(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") == "Bearer new":
            return an_object({})
        token.write_text("new")
        return a_refusal(401, "Unauthorized")

    async with (
        running_kube_server(let_in) as server,
        connected(tmp_path, server.url, {"tokenFile": str(token)}, qps=SLOW, burst=1) as kube,
    ):
        await kube.request("GET", "/")

    assert server.asked_to("GET") == ["/", "/"]
