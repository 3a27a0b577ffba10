"""Wiring of the spec-validator: the work queue, the request-reply endpoints, priority classes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runbus.contracts import subjects
from runbus.contracts.streams import SUBMIT_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.config import ConfigError
from runbus.runtime.service import Service, main
from runbus.runtime.settings import read_defaults
from runbus.settings.defaults import Defaults
from runbus.spec_validator.api import Api
from runbus.spec_validator.config import ValidatorConfig
from runbus.spec_validator.handler import Handler
from runbus.spec_validator.priorities import PriorityClasses


async def run(service: Service[ValidatorConfig]) -> None:
    """Judge submits until told to stop."""
    defaults = read_defaults(service.config.defaults_file)
    async with _priority_classes(service, defaults) as classes:
        handler = Handler(
            service.run_log,
            service.bus,
            defaults,
            classes,
            service.clock,
            service.log,
            service.random_bytes,
        )
        api = Api(
            service.bus,
            service.log,
            {subjects.API_SUBMIT: handler.submit, subjects.API_LINT: handler.lint},
        )
        inbox = service.inbox(SUBMIT_CONSUMER, in_hand_max=service.config.in_hand_max)
        service.health.complete()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(api.run(service.stopping))
            tasks.create_task(inbox.run(handler.handle, service.stopping))


@asynccontextmanager
async def _priority_classes(
    service: Service[ValidatorConfig], defaults: Defaults
) -> AsyncIterator[PriorityClasses]:
    """Know the cluster's priority classes within a block, where the operator lists none."""
    classes = PriorityClasses(service.log)
    if defaults.allowed_priority_classes:
        yield classes
        return
    try:
        cluster = await service.connect_kube(service.config)
    except ConfigError as error:
        service.log.warning("no cluster to ask for priority classes", reason=str(error))
        yield classes
        return
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(classes.run(cluster))
        try:
            await classes.asked.wait()
            yield classes
        finally:
            asking.cancel()
            await cluster.close()


if __name__ == "__main__":
    main(Publisher.SPEC_VALIDATOR, ValidatorConfig, run)
