"""Functions looked up where they are kept: the bus, a folder, a web address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from runbus.contracts.locations import FunctionName
from runbus.runtime.config import ConfigError
from runbus.runtime.errors import RetryableError
from runbus.runtime.functions import Catalogue, read_sources
from runbus.sdk.function_places import FUNCTION_BYTES_MAX
from runbus.sdk.function_store import FunctionMovedError, all_functions, store_function
from runbus.settings.model import Function, Refused
from support.buses import TestBus

TEXT = b"kind: job\nmetadata: {name: a}\nspec: {image: 'r/a:1'}\n"


@asynccontextmanager
async def serving(pages: dict[str, web.Response | bytes]) -> AsyncIterator[str]:
    """Serve pages below an address; a path that is none of them is not found."""

    async def answer(request: web.Request) -> web.Response:
        page = pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        return web.Response(body=page) if isinstance(page, bytes) else page

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def hint_of(found: Function | Refused) -> str:
    assert isinstance(found, Refused)
    return str(found.violations[0].hint)


async def test_a_function_of_the_bus_is_found_and_its_neighbours_are_named(on: TestBus) -> None:
    await store_function(on.bus, "a.b", "1.2", TEXT, author="ann", after=0)
    catalogue = Catalogue(on.bus, {})

    found = await catalogue.find(FunctionName(None, "a.b", "1.2"))

    assert isinstance(found, Function)
    assert found.settings == {"kind": "job", "image": "r/a:1"}
    assert "has the tags 1.2" in hint_of(await catalogue.find(FunctionName(None, "a.b", "2")))
    (listed,) = await all_functions(on.bus)
    assert (listed.name, listed.tag, listed.author) == ("a.b", "1.2", "ann")


async def test_of_two_who_store_at_once_one_is_told(on: TestBus) -> None:
    await store_function(on.bus, "a", "latest", TEXT, author="ann", after=0)
    with pytest.raises(FunctionMovedError):
        await store_function(on.bus, "a", "latest", TEXT, author="bob", after=0)


async def test_a_folder_gives_what_is_in_it_and_nothing_else(on: TestBus, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "my_fn" / "1" / "src").mkdir(parents=True)
    (root / "my_fn" / "1" / "src" / "function.yaml").write_bytes(TEXT)
    (tmp_path / "secret.yaml").write_bytes(TEXT)
    (root / "out").mkdir()
    (root / "out" / "function.yaml").symlink_to(tmp_path / "secret.yaml")
    (root / "big").mkdir()
    (root / "big" / "function.yaml").write_bytes(b"#" * (FUNCTION_BYTES_MAX + 1))
    catalogue = Catalogue(on.bus, {"team": str(root)})

    assert isinstance(await catalogue.find(FunctionName("team", "my-fn", "1")), Function)
    assert "leads out" in hint_of(await catalogue.find(FunctionName("team", "out")))
    assert "larger" in hint_of(await catalogue.find(FunctionName("team", "big")))
    assert "did you mean my_fn?" in hint_of(await catalogue.find(FunctionName("team", "my-fnn")))
    assert "team" in hint_of(await catalogue.find(FunctionName("tean", "a")))


async def test_a_web_address_is_read_and_never_leads_elsewhere(on: TestBus) -> None:
    pages: dict[str, web.Response | bytes] = {
        "/hub/a/latest/src/function.yaml": TEXT,
        "/hub/catalog.json": b'{"a": {"latest": {}}}',
        "/hub/f/latest/function.yaml": web.Response(
            status=302, headers={"Location": "file:///etc/passwd"}
        ),
        "/hub/big/latest/function.yaml": b"#" * (FUNCTION_BYTES_MAX + 1),
        "/hub/down/latest/function.yaml": web.Response(status=503),
    }
    async with serving(pages) as address:
        catalogue = Catalogue(on.bus, {"hub": f"{address}/hub/"})

        assert isinstance(await catalogue.find(FunctionName("hub", "a")), Function)
        assert "tags latest" in hint_of(await catalogue.find(FunctionName("hub", "a", "2")))
        assert "another scheme" in hint_of(await catalogue.find(FunctionName("hub", "f")))
        assert "larger" in hint_of(await catalogue.find(FunctionName("hub", "big")))
        with pytest.raises(RetryableError):
            await catalogue.find(FunctionName("hub", "down"))


@pytest.mark.parametrize("place", ["http://127.0.0.1:1", "/no/such/folder"])
async def test_a_source_that_cannot_be_reached_is_tried_again(on: TestBus, place: str) -> None:
    with pytest.raises(RetryableError, match="source s cannot be reached"):
        await Catalogue(on.bus, {"s": place}).find(FunctionName("s", "a"))


@pytest.mark.parametrize("setting", ["a", "a=", "a=ftp://x", "a/b=/x", "a=relative", "a=http://"])
def test_a_setting_that_can_be_no_source_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="RUNBUS_FUNCTION_SOURCES"):
        read_sources([setting])


def test_sources_are_read_by_name() -> None:
    found = read_sources(["hub=https://a.example/x", "team=/srv/functions"])
    assert found == {"hub": "https://a.example/x", "team": "/srv/functions"}
