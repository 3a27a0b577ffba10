"""JetStream's own API, as far as runbus asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simulation.bus.consumers import PullConsumer, PushConsumer
from simulation.bus.patterns import matcher, overlap
from simulation.bus.streams import RefusedError, Stored, Stream

if TYPE_CHECKING:
    from simulation.bus.server import SimServer

_TYPED = {
    "num_replicas": 1,
    "retention": "limits",
    "storage": "file",
    "compression": "none",
}


class Api:
    """Answers requests; bytes in, bytes out."""

    def __init__(self, server: SimServer) -> None:
        self._server = server
        self.encode = msgspec.json.Encoder().encode

    def answer(self, verb: str, data: bytes) -> bytes:
        """Answer one request, named without its prefix."""
        try:
            return self.encode(self._answer(verb, data))
        except RefusedError as error:
            return self.encode({"error": error.body})

    def _answer(self, verb: str, data: bytes) -> dict[str, Any]:
        body: dict[str, Any] = msgspec.json.decode(data) if data else {}
        match verb.split("."):
            case ["STREAM", "INFO", name]:
                return self._stream_info(self._stream(name))
            case ["STREAM", "CREATE", name]:
                return self._create_stream(name, body)
            case ["STREAM", "UPDATE", name]:
                self._stream(name).change(body)
                return self._stream_info(self._stream(name))
            case ["STREAM", "DELETE", name]:
                return self._delete_stream(name)
            case ["STREAM", "PURGE", name]:
                purged = self._stream(name).purge(body.get("filter", ""), body.get("seq"))
                return {"success": True, "purged": purged}
            case ["STREAM", "MSG", "GET", name]:
                return self._get_message(self._stream(name), body)
            case ["CONSUMER", *rest]:
                return self._consumer(rest, body)
        raise RefusedError(400, 10025, f"simulated bus knows no {verb}")

    def _consumer(self, rest: list[str], body: dict[str, Any]) -> dict[str, Any]:
        match rest:
            case ["INFO", stream, name]:
                return self._consumer_info(stream, name)
            case ["CREATE", stream, name]:
                return self._create_push(self._stream(stream), name, body["config"])
            case ["DURABLE", "CREATE", stream, name]:
                return self._create_pull(self._stream(stream), name, body["config"])
            case ["NAMES", stream]:
                keys = [*self._server.pulls, *self._server.pushes]
                return {"consumers": [name for of, name in keys if of == stream]}
            case ["DELETE", stream, name]:
                push = self._server.pushes.pop((stream, name), None)
                if push is None:
                    raise RefusedError(404, 10014, "consumer not found")
                push.delete()
                return {"success": True}
        raise RefusedError(400, 10025, f"simulated bus knows no CONSUMER.{'.'.join(rest)}")

    def _stream(self, name: str) -> Stream:
        stream = self._server.streams.get(name)
        if stream is None:
            raise RefusedError(404, 10059, "stream not found")
        return stream

    def _stream_info(self, stream: Stream) -> dict[str, Any]:
        info: dict[str, Any] = {
            "config": stream.config,
            "created": stream.created,
            "state": stream.state(),
        }
        sources = [each for each in self._server.sources if each.target is stream]
        if sources:
            info["sources"] = [
                {"name": each.source.name, "lag": each.lag, "seq": each.taken, "active": 1}
                for each in sources
            ]
        return info

    def _create_stream(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        found = self._server.streams.get(name)
        if found is not None:
            if found.config != {**_TYPED, **config}:
                raise RefusedError(400, 10058, "stream name already in use")
            return self._stream_info(found)
        for other in self._server.streams.values():
            for mine in config.get("subjects") or ():
                if any(overlap(mine, theirs) for theirs in other.config.get("subjects") or ()):
                    raise RefusedError(400, 10065, "subjects overlap with an existing stream")
        self._server.add_stream({**_TYPED, **config})
        return self._stream_info(self._server.streams[name])

    def _delete_stream(self, name: str) -> dict[str, Any]:
        self._stream(name)
        del self._server.streams[name]
        for key in [key for key in self._server.pulls if key[0] == name]:
            del self._server.pulls[key]
        for key in [key for key in self._server.pushes if key[0] == name]:
            self._server.pushes.pop(key).delete()
        return {"success": True}

    def _get_message(self, stream: Stream, body: dict[str, Any]) -> dict[str, Any]:
        now_s = self._server.now_s()
        if "last_by_subj" in body:
            found = stream.last_applied(body["last_by_subj"], now_s)
        elif "next_by_subj" in body:
            wanted = matcher(body["next_by_subj"])
            later = stream.after(int(body.get("seq") or 1))
            seen = (each for each in later if each.applied_at <= now_s)
            found = next((each for each in seen if wanted(each.subject)), None)
        else:
            found = stream.messages.get(int(body.get("seq") or 0))
        if found is None:
            raise RefusedError(404, 10037, "no message found")
        return {"message": self._shown(found)}

    def _shown(self, stored: Stored) -> dict[str, Any]:
        message: dict[str, Any] = {
            "subject": stored.subject,
            "seq": stored.sequence,
            "data": stored.data,  # msgspec writes bytes as base64
            "time": self._server.time_text(stored.time_ns),
        }
        if stored.headers:
            lines = "".join(f"{name}: {value}\r\n" for name, value in stored.headers.items())
            message["hdrs"] = f"NATS/1.0\r\n{lines}\r\n".encode()
        return message

    def _consumer_info(self, stream: str, name: str) -> dict[str, Any]:
        pull = self._server.pulls.get((stream, name))
        push = self._server.pushes.get((stream, name))
        if pull is not None:
            return _info(pull) | {"num_ack_pending": len(pull.pending)}
        if push is not None:
            return _info(push) | {"delivered": {"consumer_seq": push.delivered}}
        raise RefusedError(404, 10014, "consumer not found")

    def _create_pull(self, stream: Stream, name: str, config: dict[str, Any]) -> dict[str, Any]:
        key = (stream.name, name)
        found = self._server.pulls.get(key)
        if found is not None:
            found.config = config
            return _info(found)
        for (of, _), other in self._server.pulls.items():
            overlaps = overlap(other.config.get("filter_subject") or ">", config["filter_subject"])
            if of == stream.name and stream.is_work_queue and overlaps:
                text = "filtered consumer not unique on workqueue stream"
                raise RefusedError(400, 10100, text)
        self._server.pulls[key] = PullConsumer(stream, config, self._server)
        return _info(self._server.pulls[key])

    def _create_push(self, stream: Stream, name: str, config: dict[str, Any]) -> dict[str, Any]:
        push = self._server.pushes[(stream.name, name)] = PushConsumer(
            name, stream, config, self._server
        )
        info = _info(push)
        push.work()
        return info


def _info(consumer: PullConsumer | PushConsumer) -> dict[str, Any]:
    return {
        "stream_name": consumer.stream.name,
        "name": consumer.name,
        "config": consumer.config,
        "num_pending": consumer.num_pending(),
    }
