"""`python -m bench.standin --dir FOLDER`: serves until SIGTERM; writes a kubeconfig into FOLDER.

With `--replay FILE` a watch of pods is answered with the lines of that file, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import msgspec
import uvloop

from bench.standin.api import Api
from bench.standin.cluster import Cluster
from bench.standin.protocol import Answer, Connection, Request, Route, Stream

BOOKMARK_EVERY_S = 30.0


def kubeconfig_of(url: str) -> bytes:
    """Return a kubeconfig without credentials, as JSON."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stand-in", "cluster": {"server": url}}],
        "users": [{"name": "stand-in", "user": {}}],
        "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "stand-in"}}],
        "current-context": "stand-in",
    }
    return msgspec.json.encode(config)


def replaying(path: Path) -> Route:
    """Return a route that plays a recorded watch to whoever asks for one."""
    recorded = path.read_bytes()

    def route(request: Request, stream: Stream) -> Answer | None:
        if request.query.get("watch") in {"true", "True"}:
            stream.start()
            stream.send(recorded)
            return None
        return 200, b'{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]}'

    return route


async def serve(folder: Path, route: Route, cluster: Cluster) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(route), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    fresh = folder / "kubeconfig.new"
    fresh.write_bytes(kubeconfig_of(url))
    fresh.rename(folder / "kubeconfig")
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    while not stopping.is_set():
        try:
            async with asyncio.timeout(BOOKMARK_EVERY_S):
                await stopping.wait()
        except TimeoutError:
            cluster.bookmark()
    server.close()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="bench.standin")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--gone-after-s", type=float, default=0.02)
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(options.gone_after_s)
    route = replaying(options.replay) if options.replay else Api(cluster).route
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.dir, route, cluster))


if __name__ == "__main__":
    main()
