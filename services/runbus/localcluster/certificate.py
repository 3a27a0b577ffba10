"""A key and a certificate that it signed itself, for the address that kubectl is given.

kubectl sends a token over TLS only. Whoever has the kubeconfig trusts this certificate and no
other; it is kept with the cluster. X.509 (RFC 5280) with Ed25519 (RFC 8410), in DER.
"""

import base64
import datetime as dt
import ipaddress
import secrets

import msgspec

from runbus.localcluster.ed25519 import Signer

_INTEGER, _BITS, _OCTETS, _OID, _TEXT, _TIME = b"\x02", b"\x03", b"\x04", b"\x06", b"\x0c", b"\x17"
_SEQUENCE, _SET, _TRUE = b"\x30", b"\x31", b"\x01\x01\xff"
_COMMON_NAME, _ALT_NAMES, _CONSTRAINTS = b"\x55\x04\x03", b"\x55\x1d\x11", b"\x55\x1d\x13"
_DNS_NAME, _IP_ADDRESS = b"\x82", b"\x87"
_LIFE = dt.timedelta(days=3650)


class Identity(msgspec.Struct, frozen=True):
    """Both as PEM."""

    key: str
    certificate: str


def self_signed(host: str, now: dt.datetime) -> Identity:
    """Make a key and a certificate for a name or address, valid from yesterday for ten years."""
    key = Signer(secrets.token_bytes(32))
    algorithm = _of(_SEQUENCE, _of(_OID, b"\x2b\x65\x70"))
    name = _of(_OID, _COMMON_NAME) + _of(_TEXT, b"runbus local cluster")
    subject = _of(_SEQUENCE, _of(_SET, _of(_SEQUENCE, name)))
    valid = _of(_SEQUENCE, _time(now - dt.timedelta(days=1)) + _time(now + _LIFE))
    public = _of(_SEQUENCE, algorithm + _of(_BITS, b"\x00" + key.public))
    names = _of(_SEQUENCE, _alt_name(host) + _of(_DNS_NAME, b"localhost"))
    extensions = _of(_SEQUENCE, _of(_OID, _ALT_NAMES) + _of(_OCTETS, names)) + _of(
        _SEQUENCE,
        _of(_OID, _CONSTRAINTS) + _TRUE + _of(_OCTETS, _of(_SEQUENCE, _TRUE)),
    )
    version = _of(b"\xa0", _of(_INTEGER, b"\x02"))
    serial = _of(_INTEGER, b"\x01" + secrets.token_bytes(15))
    extended = _of(b"\xa3", _of(_SEQUENCE, extensions))
    body = _of(
        _SEQUENCE, version + serial + algorithm + subject + valid + subject + public + extended
    )
    signature = _of(_BITS, b"\x00" + key.sign(body))
    private = _of(_INTEGER, b"\x00") + algorithm + _of(_OCTETS, _of(_OCTETS, key.seed))
    return Identity(
        _pem("PRIVATE KEY", _of(_SEQUENCE, private)),
        _pem("CERTIFICATE", _of(_SEQUENCE, body + algorithm + signature)),
    )


def _of(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return tag + bytes((size,)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return tag + bytes((0x80 | len(length),)) + length + content


def _time(moment: dt.datetime) -> bytes:
    return _of(_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())


def _alt_name(host: str) -> bytes:
    try:
        return _of(_IP_ADDRESS, ipaddress.ip_address(host).packed)
    except ValueError:
        return _of(_DNS_NAME, host.encode())


def _pem(label: str, raw: bytes) -> str:
    text = base64.encodebytes(raw).decode().replace("\n", "")
    lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
