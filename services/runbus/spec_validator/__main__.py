"""Wiring of the spec-validator: the work queue and the request-reply endpoints."""

from __future__ import annotations

import asyncio

from runbus.contracts import subjects
from runbus.contracts.streams import SUBMIT_CONSUMER
from runbus.contracts.transitions import Publisher
from runbus.runtime.service import Service, main
from runbus.runtime.settings import read_defaults
from runbus.spec_validator.api import Api
from runbus.spec_validator.config import ValidatorConfig
from runbus.spec_validator.handler import Handler


async def run(service: Service[ValidatorConfig]) -> None:
    """Judge submits until told to stop."""
    defaults = read_defaults(service.config.defaults_file)
    handler = Handler(service.run_log, service.bus, defaults, service.clock, service.log)
    api = Api(
        service.bus,
        service.log,
        {subjects.API_SUBMIT: handler.submit, subjects.API_LINT: handler.lint},
    )
    inbox = service.inbox(SUBMIT_CONSUMER, in_hand_max=service.config.in_hand_max)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(api.run(service.stopping))
        tasks.create_task(inbox.run(handler.handle, service.stopping))


if __name__ == "__main__":
    main(Publisher.SPEC_VALIDATOR, ValidatorConfig, run)
