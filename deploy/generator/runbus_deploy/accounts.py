"""The accounts of a nats-server: each identity with its permissions, in the server's own language.

Pure: data in, text out. Passwords come from the server's environment, as text or as a bcrypt hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from runbus.contracts.identities import Identity

ACCOUNT = "RUNBUS"
REPLY_EXPIRES = "30s"  # longer than the slowest answer may take

GENERATED = "Generated: `make contracts` writes it anew, `make generated` compares. Do not edit."

_ABOUT = f"""\
# {GENERATED}
# One user a service, with exactly the subjects that it uses. Each password is a variable of the
# server's environment: RUNBUS_PASSWORD_ and the user's name, as text or as a bcrypt hash.
"""


def password_variable(name: str) -> str:
    """Return the variable that holds an identity's password."""
    return f"RUNBUS_PASSWORD_{name.upper().replace('-', '_')}"


def accounts_conf(identities: Sequence[Identity]) -> str:
    """Return the block `accounts`, to be included by a server's configuration."""
    users = "\n".join(_user(each) for each in identities)
    return (
        f"{_ABOUT}accounts {{\n  {ACCOUNT} {{\n    jetstream: enabled\n    users: [\n"
        f"{users}\n    ]\n  }}\n}}\n"
    )


def _user(identity: Identity) -> str:
    replies = ""
    if identity.replies:
        replies = f'          allow_responses: {{ max: 1, expires: "{REPLY_EXPIRES}" }}\n'
    return (
        f"      # {identity.about}\n"
        "      {\n"
        f"        user: {json.dumps(identity.name)}\n"
        f"        password: ${password_variable(identity.name)}\n"
        "        permissions {\n"
        f"          publish {_rules(identity.publish, identity.publish_never)}\n"
        f"          subscribe {_rules(identity.subscribe)}\n"
        f"{replies}"
        "        }\n"
        "      }"
    )


def _rules(allow: Iterable[str], deny: Sequence[str] = ()) -> str:
    inner = f"            allow: {_list(allow)}\n"
    if deny:
        inner += f"            deny: {_list(deny)}\n"
    return f"{{\n{inner}          }}"


def _list(found: Iterable[str]) -> str:
    lines = "".join(f"              {json.dumps(each)}\n" for each in found)
    return f"[\n{lines}            ]"
