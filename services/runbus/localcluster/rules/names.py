"""What names, labels, keys and image references may look like, in Kubernetes' own words.

Rules: k8s.io/apimachinery/pkg/util/validation. Each check gives None or what is wrong.
"""

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_VALUE_RE = re.compile(_VALUE)
_NAME_PART_RE = re.compile(_NAME_PART)
_CONFIG_KEY_RE = re.compile(_CONFIG_KEY)
_MAX_LABEL = 63
_MAX_SUBDOMAIN = 253

_REPOSITORY_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = (
    r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*"
)
_IMAGE_RE = re.compile(
    rf"(?P<name>(?:(?:{_HOST}|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?"
    rf"{_REPOSITORY_PART}(?:/{_REPOSITORY_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_ENV_NAME_RE = re.compile(r"[ -<>-~]+")


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def check_dns_label(text: str) -> str | None:
    """RFC 1123 label: container, volume and namespace names."""
    if len(text) > _MAX_LABEL:
        return _too_long(_MAX_LABEL)
    if _LABEL_RE.fullmatch(text):
        return None
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
        f"regex used for validation is '{_LABEL}')"
    )


def check_dns_subdomain(text: str) -> str | None:
    """RFC 1123 subdomain: names of most objects."""
    if len(text) > _MAX_SUBDOMAIN:
        return _too_long(_MAX_SUBDOMAIN)
    if _SUBDOMAIN_RE.fullmatch(text):
        return None
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
        "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
        f"regex used for validation is '{_SUBDOMAIN}')"
    )


def check_label_value(text: str) -> str | None:
    """The value of a label or of a node selector."""
    if len(text) > _MAX_LABEL:
        return _too_long(_MAX_LABEL)
    if _VALUE_RE.fullmatch(text):
        return None
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
        "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        f"'my_value',  or '12345', regex used for validation is '{_VALUE}')"
    )


def check_qualified_name(text: str) -> str | None:
    """The key of a label or annotation, a resource, a taint: ``[prefix/]name``."""
    prefix, slash, name = text.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (wrong := check_dns_subdomain(prefix)):
        return f"prefix part {wrong}"
    if not name:
        return "name part must be non-empty"
    if len(name) > _MAX_LABEL:
        return f"name part {_too_long(_MAX_LABEL)}"
    if _NAME_PART_RE.fullmatch(name):
        return None
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and "
        "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
        f"used for validation is '{_NAME_PART}')"
    )


def check_config_key(text: str) -> str | None:
    """A key in a config map or secret."""
    if len(text) > _MAX_SUBDOMAIN:
        return _too_long(_MAX_SUBDOMAIN)
    if text in {".", ".."} or text.startswith(".."):
        return "must not start with '..'" if len(text) > 1 else "must not be '.'"
    if _CONFIG_KEY_RE.fullmatch(text):
        return None
    return (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
        "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
        f"'{_CONFIG_KEY}')"
    )


def check_env_name(text: str) -> str | None:
    """The name of an environment variable: printable ASCII except ``=`` (Kubernetes 1.32)."""
    if _ENV_NAME_RE.fullmatch(text):
        return None
    return (
        "a valid environment variable name must consist only of printable ASCII characters "
        "other than '='"
    )


def parse_image(image: str) -> tuple[str, str, str] | None:
    """Split an image reference into name, tag and digest; None where it is none."""
    match = _IMAGE_RE.fullmatch(image)
    if match is None:
        return None
    return match["name"], match["tag"] or "", match["digest"] or ""
