"""The bus's identities as data: derived from what the services use, and nothing beside."""

from __future__ import annotations

import pytest

from runbus.contracts import subjects
from runbus.contracts.identities import (
    OPERATOR,
    Identity,
    identities,
    service_identity,
    tenant_identity,
)
from runbus.contracts.streams import CONSUMERS, STREAMS
from runbus.contracts.transitions import TRANSITIONS, Publisher
from runbus_deploy.accounts import accounts_conf

TENANT = tenant_identity("nlp")
EVERYBODY = [*identities(), TENANT]


def by_name(each: Identity) -> str:
    return each.name


def test_there_is_one_identity_a_service_one_for_init_and_one_for_people() -> None:
    names = [each.name for each in identities()]
    assert names == [*(each.value for each in Publisher), "init", "operator"]


@pytest.mark.parametrize("identity", EVERYBODY, ids=by_name)
def test_nobody_may_delete_a_stream_or_write_under_a_wildcard_of_everything(
    identity: Identity,
) -> None:
    for right in identity.publish:
        assert "STREAM.DELETE" not in right
        assert right.split(".")[0] not in {"*", ">"}
        assert right not in {"$JS.>", "$JS.API.>", "$KV.>", f"{subjects.ROOT}.>"}


@pytest.mark.parametrize("publisher", list(Publisher))
def test_a_service_writes_the_events_of_the_transition_table(publisher: Publisher) -> None:
    allowed = {row.event for row in TRANSITIONS if publisher in row.publishers}
    events = {
        right
        for right in service_identity(publisher).publish
        if right.startswith(subjects.events_of_project().partition("*")[0])
    }
    assert events == {subjects.events_of_type(each) for each in allowed}


@pytest.mark.parametrize("publisher", list(Publisher))
def test_a_service_pulls_from_its_own_consumers(publisher: Publisher) -> None:
    pulled = {
        right.rpartition("MSG.NEXT.")[2]
        for right in service_identity(publisher).publish
        if "MSG.NEXT" in right
    }
    assert pulled == {
        f"{each.stream}.{each.name}" for each in CONSUMERS if each.service is publisher
    }


def test_the_validator_alone_answers_requests() -> None:
    assert [each.name for each in EVERYBODY if each.replies] == ["spec-validator"]


def test_a_tenant_is_named_after_its_project_and_reads_no_stream_as_a_whole() -> None:
    assert TENANT.name == "project-nlp"
    for right in TENANT.publish:
        assert not any(right.endswith(f".{stream.name}") for stream in STREAMS)
        assert "nlp" in right
    assert all("nlp" in right for right in TENANT.subscribe)


def test_a_tenants_project_must_be_one() -> None:
    with pytest.raises(subjects.SubjectError):
        tenant_identity("*.>")


def test_the_accounts_name_a_password_for_each_user_and_hold_none() -> None:
    text = accounts_conf(identities())

    assert "password: $RUNBUS_PASSWORD_SPEC_VALIDATOR\n" in text
    assert text.count("password: $RUNBUS_PASSWORD_") == len(identities())
    assert f'user: "{OPERATOR}"' in text
