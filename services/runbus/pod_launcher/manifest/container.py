"""The main container: program, variables, resources, mounts.

It must not know the pod around it, nor kinds: every kind has such a container somewhere.
Source of the system variables and their order: the page on settings, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from runbus.contracts.document import (
    EnvFrom,
    EnvVariable,
    KeyReference,
    LogLevel,
    Resources,
    RunDocument,
)
from runbus.contracts.document_rules import GPU_TYPE_DEFAULT
from runbus.contracts.names import is_extended_resource
from runbus.contracts.parameters import filled, parameters_json
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest
from runbus.pod_launcher.manifest.volumes import volume_mounts

MAIN = "main"


def main_container(document: RunDocument, attempt: Attempt) -> Manifest:
    """Return the container that the run's state is read from."""
    policy = document.image_pull_policy
    return without_empty(
        {
            "name": MAIN,
            "image": document.image,
            "imagePullPolicy": policy.value if policy is not None else None,
            "command": _command(document.command),
            "args": filled(document.args or (), document.parameters),
            "workingDir": document.workdir,
            "env": environment(document, attempt),
            "envFrom": [_env_from(each) for each in document.env_from or ()],
            "resources": resource_requirements(document.resources),
            "volumeMounts": volume_mounts(document.volumes or ()),
        }
    )


def without_empty(fields: Manifest) -> Manifest:
    """Return the fields that say something; what is left out, the API server fills in."""
    return {key: value for key, value in fields.items() if value not in (None, [], {})}


def environment(document: RunDocument, attempt: Attempt) -> list[Manifest]:
    """Return system variables, then the user's in their order.

    A name stands once. Where the user gives a system variable's name, the user's stands alone:
    with both in the list, which one counts would be left to whoever reads it.
    """
    own = {each.name: _variable(each) for each in document.env or ()}
    system = _system_variables(document, attempt)
    before: list[Manifest] = [
        {"name": name, "value": value} for name, value in system.items() if name not in own
    ]
    return [*before, *own.values()]


def resource_requirements(resources: Resources | None) -> Manifest:
    """Return requests and limits; a device, which cannot be shared, stands in both alike."""
    if resources is None:
        return {}
    requests = {name: str(amount) for name, amount in (resources.requests or {}).items()}
    limits = {name: str(amount) for name, amount in (resources.limits or {}).items()}
    gpus = resources.gpus
    if gpus is not None and gpus.count:
        limits[gpus.type or GPU_TYPE_DEFAULT] = str(gpus.count)
    for name in [each for each in (*limits, *requests) if is_extended_resource(each)]:
        limits[name] = requests[name] = limits.get(name) or requests[name]
    return without_empty({"requests": requests, "limits": limits})


def _command(command: str | Sequence[str] | None) -> list[str]:
    """Return the container command as a list: one text is one element, never split."""
    if command is None:
        return []
    return [command] if isinstance(command, str) else list(command)


def _system_variables(document: RunDocument, attempt: Attempt) -> dict[str, str]:
    level = document.log_level if document.log_level is not None else LogLevel.INFO
    parameters = document.parameters if document.parameters is not None else {}
    return {
        "RUNBUS_RUN_ID": attempt.run_id,
        "RUNBUS_PROJECT": document.project or "",
        "RUNBUS_NAME": document.name or "",
        "RUNBUS_ATTEMPT": str(attempt.number),
        "RUNBUS_PARAMETERS": parameters_json(parameters),
        "RUNBUS_LOG_LEVEL": level.value,
    }


def _variable(variable: EnvVariable) -> Manifest:
    if variable.secret is not None:
        source = {"secretKeyRef": _key(variable.secret)}
    elif variable.config_map is not None:
        source = {"configMapKeyRef": _key(variable.config_map)}
    elif variable.field is not None:
        source = {"fieldRef": {"fieldPath": variable.field}}
    else:
        return {"name": variable.name, "value": variable.value or ""}
    return {"name": variable.name, "valueFrom": source}


def _key(reference: KeyReference) -> dict[str, str]:
    return {"name": reference.name, "key": reference.key}


def _env_from(source: EnvFrom) -> Manifest:
    if source.secret is not None:
        return {"secretRef": {"name": source.secret}}
    return {"configMapRef": {"name": source.config_map}}
