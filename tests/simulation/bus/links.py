"""Connections to the simulated server.

Everything that goes over one takes a moment, by chance but in order; what is under way when it
breaks is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from simulation.bus.client import SimClient, SimSubscription
from simulation.loop import TICK_S

if TYPE_CHECKING:
    from simulation.bus.server import SimServer

Headers = Mapping[str, str]
RECONNECT_S = 0.25


class Link:
    """One connection. Down, it tries again every `RECONNECT_S` while its server is up."""

    def __init__(self, server: SimServer, name: str, generation: Callable[[], None]) -> None:
        self.server = server
        self.name = name
        self.client = SimClient(self, name)
        self.is_up = server.is_up
        self.is_cut = False  # for good: its process is dead
        self.may_reconnect_at = 0.0
        self.epoch = 0
        self.interests: dict[int, SimSubscription] = {}
        self._out_at = self._in_at = 0.0
        self._on_reconnected = generation
        self.on_send: Callable[[], None] = _nothing

    def send(self, subject: str, data: bytes, reply: str, headers: Headers | None) -> None:
        """Send a message to the server."""
        if self.is_cut:
            return
        self.on_send()
        loop = self.server.loop
        self._out_at = max(self._out_at + TICK_S, loop.time() + self.server.latency_s())
        loop.in_world(
            self._out_at, self._arrive, self.epoch, subject, data, reply, dict(headers or {})
        )

    def _arrive(self, epoch: int, subject: str, data: bytes, reply: str, headers: Headers) -> None:
        # What a process has sent before it was killed arrives all the same.
        if epoch == self.epoch and (self.is_up or self.is_cut) and self.server.is_up:
            self.server.receive(self, subject, data, reply, headers)

    def deliver(
        self, number: int, subject: str, reply: str, data: bytes, headers: Headers | None
    ) -> None:
        """Send a message to the client."""
        loop = self.server.loop
        self._in_at = max(self._in_at + TICK_S, loop.time() + self.server.latency_s())
        loop.in_world(
            self._in_at, self._hand_over, self.epoch, number, subject, reply, data, headers
        )

    def _hand_over(self, epoch: int, *message: Any) -> None:
        if epoch == self.epoch and self.is_up:
            self.client.on_message(*message)

    def subscribe(self, subscription: SimSubscription) -> None:
        """Tell the server of a subscription: in order with what is sent."""
        self._in_order(self.server.add_interest, self, subscription)

    def unsubscribe(self, subscription: SimSubscription) -> None:
        """Tell the server that a subscription has ended."""
        self._in_order(self.server.remove_interest, self, subscription)

    def _in_order(self, call: Callable[..., None], *args: Any) -> None:
        loop = self.server.loop
        self._out_at = max(self._out_at + TICK_S, loop.time() + self.server.latency_s())
        loop.in_world(self._out_at, self._if_up, self.epoch, call, args)

    def _if_up(self, epoch: int, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        if epoch == self.epoch and self.is_up:
            call(*args)

    def drop(self, for_s: float = 0.0) -> None:
        """Lose the connection; it may come back after a while."""
        if not self.is_up or self.is_cut:
            return
        self.is_up = False
        self.epoch += 1
        self.server.forget_interests(self)
        loop = self.server.loop
        self.may_reconnect_at = loop.time() + for_s
        loop.in_world(loop.time() + max(RECONNECT_S, for_s), self.reconnect)

    def reconnect(self) -> None:
        """Try to connect again, now and then until it works."""
        if self.is_up or self.is_cut or self.client.is_closed:
            return
        loop = self.server.loop
        if not self.server.is_up or loop.time() < self.may_reconnect_at:
            loop.in_world(loop.time() + RECONNECT_S, self.reconnect)
            return
        self.is_up = True
        self.epoch += 1
        self.client.on_reconnected()
        self._on_reconnected()

    def cut(self) -> None:
        """End the connection as a killed process does."""
        self.server.forget_interests(self)
        self.is_up = False
        self.is_cut = True
        self.client.is_closed = True

    def close(self) -> None:
        """End the connection in good order: what was sent arrives."""
        self._in_order(self.cut)

    def on_callback_error(self, error: Exception) -> None:
        """Tell of an exception that a callback raised."""
        if not self.is_cut:
            self.server.problems.append(f"callback of {self.name}: {error!r}")


def _nothing() -> None:
    """Do nothing."""
