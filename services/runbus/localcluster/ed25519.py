"""Signatures with Ed25519 (RFC 8032, section 5.1), as far as one certificate needs them.

Not in constant time, and a thousand times slower than a library: for the loopback interface, where
the token is what protects, and no package comes with Python that signs.
"""

import hashlib

Point = tuple[int, int, int, int]  # extended homogeneous coordinates

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER = 2**252 + 27742317777372353535851937790883648493
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


class Signer:
    """A private key: 32 bytes of chance."""

    def __init__(self, seed: bytes) -> None:
        digest = hashlib.sha512(seed).digest()
        self.seed = seed
        self._scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
        self._prefix = digest[32:]
        self.public = _packed(_times(self._scalar, _BASE))

    def sign(self, message: bytes) -> bytes:
        """Give the 64 bytes of a signature."""
        nonce = _hashed(self._prefix, message)
        start = _packed(_times(nonce, _BASE))
        rest = (nonce + _hashed(start, self.public, message) * self._scalar) % _ORDER
        return start + rest.to_bytes(32, "little")


def _hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % _ORDER


def _times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _plus(total, point)
        point = _plus(point, point)
        scalar >>= 1
    return total


def _plus(left: Point, right: Point) -> Point:
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a, b = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * t1 * t2 * _D, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _packed(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
