"""`runbus completion bash | zsh | fish`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Whose script.")], /
) -> int:
    """Print the script with which a shell completes commands, options, states and runs.

    bash: source <(runbus completion bash), best in ~/.bashrc.

    zsh: runbus completion zsh > a file _runbus in a folder of $fpath.

    fish: runbus completion fish > ~/.config/fish/completions/runbus.fish.
    """
    from runbus.cli.application import application
    from runbus.cli.output.printing import out

    out(application().generate_completion(prog_name="runbus", shell=shell))
    return 0
