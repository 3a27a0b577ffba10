"""The flags that `submit` and `rerun` share: for settings of a run, and for what happens to it.

Grouped as help shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from runbus.cli.options import NatsUrl, NoHeaders, Output, Timeout

_CHANGES = Group("Changes to the document (flags with ... can be repeated)", sort_key=10)
_RUN = Group("The run", sort_key=11)
_CONTAINER = Group("Its container", sort_key=12)
_PLACEMENT = Group("Where it runs", sort_key=13)
_LIMITS = Group("Its limits and retries", sort_key=14)

Text = str | None
Texts = tuple[str, ...]


def _one(group: Group, metavar: str, text: str, *names: str) -> Parameter:
    return Parameter(name=names or None, group=group, metavar=metavar, help=text)


def _several(group: Group, metavar: str, text: str, *names: str) -> Parameter:
    shown = f"{metavar}..."
    return Parameter(
        name=names or None, group=group, metavar=shown, negative="", show_default=False, help=text
    )


@dataclass(frozen=True, kw_only=True)
class SettingFlags:
    """What the flags for settings say. Nothing given: the document stays as it is."""

    set: Annotated[
        Texts,
        _several(
            _CHANGES,
            "KEY=VALUE",
            "Any setting, such as resources.requests.cpu=2, args[0]=x, args[+]=y,"
            ' env[EPOCHS].value=5, labels."a.b/c"=d. Values as in YAML, JSON too; null takes a'
            " setting out. Wins over the flags below.",
        ),
    ] = ()
    set_string: Annotated[
        Texts, _several(_CHANGES, "KEY=VALUE", "As --set; the value is text, as it is.")
    ] = ()
    project: Annotated[Text, _one(_RUN, "NAME", "Whose run it is.", "--project", "-p")] = None
    name: Annotated[Text, _one(_RUN, "NAME", "Its name.", "--name", "-n")] = None
    kind: Annotated[Text, _one(_RUN, "KIND", "What sort of run. Without a file: job.")] = None
    user: Annotated[Text, _one(_RUN, "NAME", "Who asks. Default: this machine's user.")] = None
    label: Annotated[Texts, _several(_RUN, "KEY=VALUE", "A label of its objects.")] = ()
    annotation: Annotated[Texts, _several(_RUN, "KEY=VALUE", "An annotation of them.")] = ()
    image: Annotated[Text, _one(_CONTAINER, "IMAGE", "Its image.", "--image", "-i")] = None
    env: Annotated[
        Texts, _several(_CONTAINER, "NAME=VALUE", "An environment variable.", "--env", "-e")
    ] = ()
    env_file: Annotated[
        Texts,
        _several(_CONTAINER, "FILE", "Variables of a dotenv file; --env wins over them."),
    ] = ()
    env_secret: Annotated[
        Texts, _several(_CONTAINER, "NAME=SECRET:KEY", "A variable out of a Secret.")
    ] = ()
    env_config_map: Annotated[
        Texts, _several(_CONTAINER, "NAME=MAP:KEY", "A variable out of a ConfigMap.")
    ] = ()
    param: Annotated[
        Texts,
        _several(
            _CONTAINER,
            "NAME=VALUE",
            "A parameter: {NAME} in args, and in RUNBUS_PARAMETERS. Values as in YAML.",
        ),
    ] = ()
    workdir: Annotated[Text, _one(_CONTAINER, "PATH", "Where it starts.")] = None
    volume: Annotated[
        Texts,
        _several(
            _CONTAINER,
            "SETTING=VALUE,",
            "A volume, such as name=data,pvc=nlp-data,mount=/data,read_only or"
            " name=tmp,empty_dir,mount=/scratch.",
        ),
    ] = ()
    cpu: Annotated[
        Text, _one(_CONTAINER, "REQUEST[:LIMIT]", "CPU kept free, and the most: 500m:2.")
    ] = None
    memory: Annotated[
        Text, _one(_CONTAINER, "REQUEST[:LIMIT]", "Memory, likewise: 1Gi, or 1Gi:2Gi.")
    ] = None
    gpu: Annotated[Text, _one(_CONTAINER, "[TYPE=]COUNT", "GPUs: 1, or amd.com/gpu=2.")] = None
    image_pull_policy: Annotated[
        Text, _one(_CONTAINER, "POLICY", "Always, IfNotPresent or Never.")
    ] = None
    image_pull_secret: Annotated[
        Text, _one(_CONTAINER, "SECRET", "Credentials of the registry.")
    ] = None
    service_account: Annotated[Text, _one(_PLACEMENT, "NAME", "As which it runs.")] = None
    priority_class: Annotated[Text, _one(_PLACEMENT, "NAME", "Its PriorityClass.")] = None
    node_selector: Annotated[
        Texts,
        _several(_PLACEMENT, "KEY=VALUE", "A label of its node; no value cancels a default."),
    ] = ()
    toleration: Annotated[
        Texts,
        _several(_PLACEMENT, "KEY[=VALUE][:EFFECT]", "A taint that it bears: gpu:NoSchedule."),
    ] = ()
    preemption_mode: Annotated[
        Text, _one(_PLACEMENT, "MODE", "Spot nodes: allow, constrain, prevent or none.")
    ] = None
    threshold: Annotated[
        Texts,
        _several(_LIMITS, "STATE=DURATION", "How long it may be so: running=6h; -1 is for ever."),
    ] = ()
    retry: Annotated[Text, _one(_LIMITS, "COUNT", "Attempts after a failed first one.")] = None
    retry_on: Annotated[
        Texts, _several(_LIMITS, "CAUSE", "A class, state or reason that is retried.")
    ] = ()
    retry_backoff: Annotated[
        Text, _one(_LIMITS, "DURATION", "Before the second attempt; doubles.")
    ] = None
    ttl_after_finish: Annotated[
        Text, _one(_LIMITS, "DURATION", "How long finished objects stay.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class SubmitFlags:
    """How documents are submitted, what is waited for, and what is printed."""

    key: Annotated[
        str | None,
        Parameter(
            name=["--key", "--idempotency-key"],
            help="Idempotency key: submitting again with it is the same run.",
        ),
    ] = None
    wait: Annotated[
        bool, Parameter(negative="", help="Until the runs are over; exit code: the worst fate.")
    ] = False
    watch: Annotated[
        bool, Parameter(name=["-w", "--watch"], negative="", help="As --wait, and show them.")
    ] = False
    no_verdict: Annotated[
        bool,
        Parameter(
            name="--no-verdict",
            negative="",
            help="Store the request and return: no service needs to be up. The verdict will be an"
            " event.",
        ),
    ] = False
    dry_run: Annotated[
        bool, Parameter(negative="", help="Print the document (-o yaml or json), send nothing.")
    ] = False
    timeout: Timeout = None
    output: Output = "table"
    no_headers: NoHeaders = False
    nats_url: NatsUrl = None


Flags = Annotated[SettingFlags, Parameter(name="*")]
Submission = Annotated[SubmitFlags, Parameter(name="*")]
ContainerCommand = Annotated[
    str,
    Parameter(
        name="COMMAND",
        group=_CONTAINER,
        help="After --: the container command with its arguments, in place of the document's.",
    ),
]
