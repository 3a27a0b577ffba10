"""The container of a role: program, variables, resources, mounts.

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
from runbus.contracts.states import Role
from runbus.pod_launcher.manifest.metadata import Attempt, Manifest
from runbus.pod_launcher.manifest.volumes import volume_mounts

MAIN = "main"


def main_container(document: RunDocument, attempt: Attempt, role: Role) -> Manifest:
    """Return the container that runs the user's program."""
    return role_container(
        document, attempt, role, command=program(document), args=arguments(document)
    )


def role_container(
    document: RunDocument,
    attempt: Attempt,
    role: Role,
    *,
    name: str = MAIN,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
) -> Manifest:
    """Return the container that a role's state is read from, with what it is to run."""
    return without_empty(
        {
            "name": name,
            "image": document.image,
            "imagePullPolicy": pull_policy(document),
            "command": list(command),
            "args": list(args),
            "workingDir": document.workdir,
            "env": environment(document, attempt, role),
            "envFrom": bulk_environment(document),
            "resources": resource_requirements(document.resources),
            "volumeMounts": volume_mounts(document.volumes or ()),
        }
    )


def program(document: RunDocument) -> list[str]:
    """Return the container command as a list: one text is one element, never split."""
    command = document.command
    if command is None:
        return []
    return [command] if isinstance(command, str) else list(command)


def arguments(document: RunDocument) -> list[str]:
    """Return the arguments with the parameters filled in."""
    return filled(document.args or (), document.parameters)


def pull_policy(document: RunDocument) -> str | None:
    """Return when a node fetches the image, in Kubernetes' word."""
    policy = document.image_pull_policy
    return policy.value if policy is not None else None


def without_empty(fields: Manifest) -> Manifest:
    """Return the fields that say something; what is left out, the API server fills in."""
    return {
        key: value
        for key, value in fields.items()
        if value or (value is not None and not isinstance(value, list | dict))
    }


def environment(document: RunDocument, attempt: Attempt, role: Role) -> list[Manifest]:
    """Return system variables, then the user's in their order.

    A name stands once. Where the user gives a system variable's name, the user's stands alone:
    with both in the list, which one counts would be left to whoever reads it.
    """
    own = {each.name: _variable(each) for each in document.env or ()}
    system = _system_variables(document, attempt)
    if role is not Role.MAIN:
        system["RUNBUS_ROLE"] = role.value
    before: list[Manifest] = [
        {"name": name, "value": value} for name, value in system.items() if name not in own
    ]
    return [*before, *own.values()]


def bulk_environment(document: RunDocument) -> list[Manifest]:
    """Return the Secrets and ConfigMaps of which every key is a variable."""
    return [_env_from(each) for each in document.env_from or ()]


def resource_requirements(resources: Resources | None) -> dict[str, dict[str, str]]:
    """Return requests and limits as texts; a device, which is never shared, stands in both."""
    if resources is None:
        return {}
    requests = {name: str(amount) for name, amount in (resources.requests or {}).items()}
    limits = {name: str(amount) for name, amount in (resources.limits or {}).items()}
    gpus = resources.gpus
    if gpus is not None and gpus.count:
        limits[gpus.type or GPU_TYPE_DEFAULT] = str(gpus.count)
    for name in [each for each in (*limits, *requests) if is_extended_resource(each)]:
        limits[name] = requests[name] = limits.get(name) or requests[name]
    blocks = {"requests": requests, "limits": limits}
    return {name: block for name, block in blocks.items() if block}


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
