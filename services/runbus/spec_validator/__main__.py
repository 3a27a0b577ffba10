"""Wiring of the spec-validator: defaults, the work queue, the request-reply endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runbus.contracts import subjects
from runbus.contracts.streams import SUBMIT_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.defaults_feed import DefaultsFeed
from runbus.runtime.functions import Catalogue, read_sources
from runbus.runtime.service import Service, main
from runbus.spec_validator.api import Api
from runbus.spec_validator.config import ValidatorConfig
from runbus.spec_validator.handler import Handler
from runbus.spec_validator.priorities import PriorityClasses


async def run(service: Service[ValidatorConfig]) -> None:
    """Judge submits until told to stop."""
    feed = service.defaults(service.config.defaults_file)
    async with feed.following(service.stopping):
        if not service.stopping.is_set():
            async with _priority_classes(service, feed) as classes:
                await _judge(service, feed, classes)


async def _judge(
    service: Service[ValidatorConfig], feed: DefaultsFeed, classes: PriorityClasses
) -> None:
    handler = Handler(
        service.run_log,
        service.bus,
        lambda: feed.defaults,
        classes,
        Catalogue(service.bus, read_sources(service.config.function_sources)),
        service.clock,
        service.log,
        service.random_bytes,
    )
    api = Api(
        service.bus,
        service.log,
        {
            subjects.API_SUBMIT: handler.submit,
            subjects.API_LINT: handler.lint,
            subjects.API_EXPLAIN: handler.explain,
        },
        service.tracing,
    )
    inbox = service.inbox(SUBMIT_CONSUMER, in_hand_max=service.config.in_hand_max)
    service.health.complete()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(api.run(service.stopping))
        tasks.create_task(inbox.run(handler.handle, service.stopping))


@asynccontextmanager
async def _priority_classes(
    service: Service[ValidatorConfig], feed: DefaultsFeed
) -> AsyncIterator[PriorityClasses]:
    """Know the cluster's priority classes within a block, while the operator lists none."""
    classes = PriorityClasses(service.log, lambda: not feed.defaults.allowed_priority_classes)
    feed.listen(classes.look_again)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(classes.run(lambda: service.connect_kube(service.config)))
        try:
            await classes.looked.wait()
            yield classes
        finally:
            asking.cancel()


if __name__ == "__main__":
    main(Publisher.SPEC_VALIDATOR, ValidatorConfig, run)
