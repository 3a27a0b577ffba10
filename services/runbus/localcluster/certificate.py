"""A key and a certificate that it signed itself, for the address that kubectl is given.

kubectl sends a token over TLS only. Whoever has the kubeconfig trusts this certificate and no
other; it is kept with the cluster.
"""

import datetime as dt
import ipaddress

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "runbus local cluster")])
_LIFE = dt.timedelta(days=3650)


class CertifiedKey(msgspec.Struct, frozen=True):
    """A private key and its certificate, both as PEM."""

    key: str
    certificate: str


def self_signed(host: str, now: dt.datetime) -> CertifiedKey:
    """Make a key and a certificate for a name or address, valid from yesterday for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([_alt_name(host), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return CertifiedKey(private.decode(), public.decode())


def _alt_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
