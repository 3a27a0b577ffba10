"""TLS to a real nats-server with an authority of its own: who is trusted, what is told if not."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from runbus.contracts.identities import INIT, OPERATOR
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import connect
from runbus.sdk.credentials import credentials
from runbus.sdk.errors import BusUnreachableError
from support.authorities import Authority
from support.commands import Command
from support.identities import GuardedNats, running_guarded, session_of
from support.least_rights import services_on

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]
READY_S = 40.0


def an_authority(folder: Path) -> Authority:
    authority = Authority(folder)
    authority.certify("server", "/CN=nats", "serverAuth")
    authority.certify("client", "/CN=runbus", "clientAuth")
    return authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return an_authority(tmp_path_factory.mktemp("authority") / "ours")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nats(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GuardedNats]:
    """A server that shows a certificate, and asks for none."""
    folder = tmp_path_factory.mktemp("tls")
    async with running_guarded(folder, authority=authority) as nats:
        yield nats


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mutual(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GuardedNats]:
    """A server that asks for a certificate as well."""
    folder = tmp_path_factory.mktemp("mutual")
    async with running_guarded(folder, authority=authority, asks_for_certificates=True) as nats:
        yield nats


def environment(nats: GuardedNats, name: str) -> dict[str, str]:
    told = {f"RUNBUS_NATS_{key.upper()}": path for key, path in nats.trust.items()}
    return {
        "RUNBUS_NATS_URL": nats.url,
        "RUNBUS_NATS_USER": name,
        "RUNBUS_NATS_PASSWORD_FILE": str(nats.password_file(name)),
        **told,
    }


@pytest.mark.parametrize("asks_for_certificates", [False, True])
async def test_a_service_and_people_reach_a_bus_of_a_private_authority(
    asks_for_certificates: bool, nats: GuardedNats, mutual: GuardedNats, tmp_path: Path
) -> None:
    nats = mutual if asks_for_certificates else nats
    nowhere = tmp_path / "kubeconfig"  # the scheduler does not ask Kubernetes
    async with services_on(nats, tmp_path, {Publisher.SCHEDULER: nowhere}):
        done = await Command(environment(nats, OPERATOR))("list", "-o", "json")
        assert (done.code, done.err) == (0, "")
        done = await Command(environment(nats, INIT))("init")
        assert done.code == 0, done.err


async def test_renewed_certificates_count_from_the_next_connection_on(tmp_path: Path) -> None:
    ours = an_authority(tmp_path / "ours")
    async with (
        running_guarded(tmp_path, authority=ours) as nats,
        session_of(nats, OPERATOR) as session,
    ):
        before = session.bus.generation
        shutil.rmtree(ours.folder)
        an_authority(ours.folder)  # nothing that the old authority signed is left
        await nats.stop(READY_S)
        await nats.start()
        async with asyncio.timeout(READY_S):
            while session.bus.generation == before:
                await asyncio.sleep(0.05)
        await session.bus.ping()


async def refused(url: str, **files: str) -> str:
    with pytest.raises(BusUnreachableError) as caught:
        async with connect(url, name="test", **credentials(**files)):
            pass
    return str(caught.value)


async def test_an_authority_that_is_not_trusted_is_told_with_the_way_out(
    nats: GuardedNats, tmp_path: Path
) -> None:
    other = an_authority(tmp_path / "other")
    for files in ({}, {"ca_file": other.path("ca.crt")}):
        told = await refused(nats.url, **files)
        assert "the server's certificate is not trusted" in told
        assert "RUNBUS_NATS_CA_FILE" in told


async def test_without_a_certificate_a_server_that_asks_for_one_is_told(
    mutual: GuardedNats, authority: Authority
) -> None:
    told = await refused(mutual.url, ca_file=authority.path("ca.crt"))
    assert "certificate" in told.lower(), told


async def test_to_a_server_without_tls_no_password_is_sent(tmp_path: Path) -> None:
    heard = bytearray()
    info = b'INFO {"server_id":"x","version":"2.12.0","max_payload":1048576}\r\n'

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(info)
        while chunk := await reader.read(4096):
            heard.extend(chunk)
        writer.close()

    password = tmp_path / "password"
    password.write_text("secret")
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        files = {"user": "a", "password_file": str(password)}
        told = await refused(f"tls://127.0.0.1:{port}", **files)
        assert "offers no TLS" in told
        bundle = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
        told = await refused(f"nats://127.0.0.1:{port}", ca_file=bundle, **files)
        assert "offers no TLS" in told
    assert bytes(heard) == b""
