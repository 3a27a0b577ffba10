"""Types of single values in a run document: text with a grammar, a description and a pattern.

Each type names its grammar (`extra`), which the settings check by hand to say what is wrong and
how to mend it. A pattern stands in the published JSON Schema only: a reader of events never
refuses a value that a newer release has let through.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta


class Grammar(StrEnum):
    """How the text of a value must look."""

    TEXT = "text"  # not empty, no control characters
    PROJECT = "project"
    RUN_NAME = "run_name"
    VOLUME_NAME = "volume_name"
    OBJECT_NAME = "object_name"
    IMAGE = "image"
    ENV_NAME = "env_name"
    CONFIG_KEY = "config_key"
    FIELD_PATH = "field_path"
    ABSOLUTE_PATH = "absolute_path"
    MOUNT_PATH = "mount_path"
    RELATIVE_PATH = "relative_path"
    LABEL_KEY = "label_key"
    LABEL_VALUE = "label_value"
    ANNOTATION_KEY = "annotation_key"
    TAINT_KEY = "taint_key"  # empty means every taint, as in Kubernetes
    QUANTITY = "quantity"
    RESOURCE_NAME = "resource_name"
    GPU_TYPE = "gpu_type"
    MEDIUM = "medium"
    DURATION = "duration"
    DURATION_OR_INFINITE = "duration_or_infinite"
    RETRY_CAUSE = "retry_cause"
    NODE_SELECTOR = "node_selector"
    PARAMETERS = "parameters"
    FUNCTION_REFERENCE = "function_reference"  # hub://[source/]name[:tag]
    HOST_NAME = "host_name"
    STREAM_PATH = "stream_path"  # v3io:///container/path
    V3IO_PATH = "v3io_path"  # relative, or ~ with or without more behind it


NAME_CHARACTERS_MAX = 26
DNS_LABEL_CHARACTERS_MAX = 63
DNS_SUBDOMAIN_CHARACTERS_MAX = 253
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
RUN_NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
ENV_NAME = r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"
CONFIG_KEY = r"^[-._a-zA-Z0-9]+$"
HUB = "hub://"
FUNCTION_TAG_DEFAULT = "latest"


def from_0_to(most: int) -> Meta:
    """Return the bounds of a whole number, both included."""
    return Meta(extra={"least": 0, "most": most}, extra_json_schema={"minimum": 0, "maximum": most})


def from_1_to(most: int) -> Meta:
    """Return the bounds of a whole number that is at least one."""
    return Meta(extra={"least": 1, "most": most}, extra_json_schema={"minimum": 1, "maximum": most})


def _grammar(grammar: Grammar, **schema: Any) -> Meta:
    return Meta(extra={"grammar": grammar}, extra_json_schema=schema or None)


Text = Annotated[str, _grammar(Grammar.TEXT, minLength=1)]
Project = Annotated[str, _grammar(Grammar.PROJECT, pattern=DNS_LABEL, maxLength=63)]
RunName = Annotated[
    str, _grammar(Grammar.RUN_NAME, pattern=RUN_NAME, maxLength=NAME_CHARACTERS_MAX)
]
VolumeName = Annotated[str, _grammar(Grammar.VOLUME_NAME, pattern=DNS_LABEL, maxLength=63)]
ObjectName = Annotated[str, _grammar(Grammar.OBJECT_NAME, pattern=DNS_SUBDOMAIN, maxLength=253)]
Image = Annotated[str, _grammar(Grammar.IMAGE, minLength=1)]
EnvName = Annotated[str, _grammar(Grammar.ENV_NAME, pattern=ENV_NAME)]
ConfigKey = Annotated[str, _grammar(Grammar.CONFIG_KEY, pattern=CONFIG_KEY, maxLength=253)]
FieldPath = Annotated[str, _grammar(Grammar.FIELD_PATH, minLength=1)]
AbsolutePath = Annotated[str, _grammar(Grammar.ABSOLUTE_PATH, pattern="^/")]
MountPath = Annotated[str, _grammar(Grammar.MOUNT_PATH, pattern="^/[^:]*$")]
RelativePath = Annotated[str, _grammar(Grammar.RELATIVE_PATH, pattern="^[^/]")]
LabelKey = Annotated[str, _grammar(Grammar.LABEL_KEY)]
LabelValue = Annotated[str, _grammar(Grammar.LABEL_VALUE, maxLength=63)]
TaintKey = Annotated[str, _grammar(Grammar.TAINT_KEY)]
AnnotationKey = Annotated[str, _grammar(Grammar.ANNOTATION_KEY)]
ResourceName = Annotated[str, _grammar(Grammar.RESOURCE_NAME)]
GpuType = Annotated[str, _grammar(Grammar.GPU_TYPE)]
Medium = Annotated[str, _grammar(Grammar.MEDIUM)]
# A number is taken as its text: `cpu: 4` is what everybody writes.
Quantity = Annotated[str | int | float, _grammar(Grammar.QUANTITY)]
Duration = Annotated[str, _grammar(Grammar.DURATION, minLength=1)]
DurationOrInfinite = Annotated[str, _grammar(Grammar.DURATION_OR_INFINITE, minLength=1)]
RetryCause = Annotated[str, _grammar(Grammar.RETRY_CAUSE)]
NodeSelector = Annotated[dict[str, str], _grammar(Grammar.NODE_SELECTOR)]
Parameters = Annotated[Any, _grammar(Grammar.PARAMETERS)]
FunctionReference = Annotated[
    str, _grammar(Grammar.FUNCTION_REFERENCE, pattern="^hub://[^:]+(:[^:]+)?$")
]
HostName = Annotated[str, _grammar(Grammar.HOST_NAME, maxLength=253)]
StreamPath = Annotated[str, _grammar(Grammar.STREAM_PATH, pattern="^v3io:///[^/]+/.+$")]
V3ioPath = Annotated[str, _grammar(Grammar.V3IO_PATH, minLength=1)]
