"""The certificate that kubectl is given, and who trusts it."""

from __future__ import annotations

import datetime as dt
import pathlib
import ssl

import pytest

from runbus.localcluster.certificate import self_signed

NOW = dt.datetime.now(dt.UTC)


def shaken(served: str, asked: str, trusted: str, tmp_path: pathlib.Path) -> None:
    """Carry out a TLS handshake in memory; ssl.SSLError where the client does not trust."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = tmp_path / "tls.pem"
    file.write_text(served)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=trusted)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = client.wrap_bio(down, up, server_hostname=asked)
    for each in (theirs, ours, theirs, ours):
        try:
            each.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "cluster.example.com"])
def test_who_has_the_certificate_trusts_the_address(host: str, tmp_path: pathlib.Path) -> None:
    made = self_signed(host, NOW)
    shaken(made.key + made.certificate, host, made.certificate, tmp_path)
    shaken(made.key + made.certificate, "localhost", made.certificate, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(made.key + made.certificate, "10.0.0.1", made.certificate, tmp_path)
    another = self_signed(host, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(made.key + made.certificate, host, another.certificate, tmp_path)
