"""The certificate that kubectl is given, and the signature on it."""

from __future__ import annotations

import datetime as dt
import pathlib
import ssl

import pytest

from runbus.localcluster.certificate import self_signed
from runbus.localcluster.ed25519 import Signer

NOW = dt.datetime.now(dt.UTC)


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [  # RFC 8032, section 7.1
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e"
            "39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f"
            "3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ],
)
def test_signatures_are_those_of_the_rfc(
    seed: str, public: str, message: str, signature: str
) -> None:
    signer = Signer(bytes.fromhex(seed))
    assert signer.public.hex() == public
    assert signer.sign(bytes.fromhex(message)).hex() == signature


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
