"""A certificate authority of a test's own, in a folder: keys, and certificates of this machine.

Needs openssl; knows no pytest.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

DAYS = "3650"
SERVERS = "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1"


class OpensslMissingError(Exception):
    """There is no openssl on the PATH."""


class Authority:
    """`ca.crt` and `ca.key` in a folder that it makes, and what it certifies beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if shutil.which("openssl") is None:
            raise OpensslMissingError("openssl is not on the PATH")
        folder.mkdir(parents=True, mode=0o700)
        self._begin()

    def path(self, name: str) -> str:
        """The path of a file: `ca.crt`, `server.key` and so on."""
        return str(self.folder / name)

    def _begin(self) -> None:
        self.key("ca")
        subject = ("-subj", "/CN=test-authority", "-days", DAYS)
        self.openssl("req", "-x509", "-new", "-key", "ca.key", *subject, "-out", "ca.crt")

    def certify(self, name: str, subject: str, usage: str) -> None:
        """Make NAME.key and NAME.crt; `usage`: serverAuth or clientAuth."""
        self.key(name)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={SERVERS}\nextendedKeyUsage={usage}\n")
        request = f"{name}.csr"
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", request)
        authority = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS)
        files = ("-in", request, "-extfile", str(extensions), "-out", f"{name}.crt")
        self.openssl("x509", "-req", *authority, *files)

    def key(self, name: str) -> None:
        """Make NAME.key."""
        curve = ("-name", "prime256v1", "-genkey", "-noout")
        self.openssl("ecparam", *curve, "-out", f"{name}.key")

    def openssl(self, *arguments: str) -> None:
        """Run openssl in the folder."""
        subprocess.run(
            ["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=30
        )
