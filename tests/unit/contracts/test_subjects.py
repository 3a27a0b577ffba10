"""The subject grammar: every builder, every parser, and tokens that fit none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts import subjects
from runbus.contracts.states import EventType

RUN = "abcdefghij23"


@pytest.mark.parametrize(
    ("built", "subject"),
    [
        (subjects.submit("nlp"), "runbus.v1.submit.nlp"),
        (subjects.submit(), "runbus.v1.submit.*"),
        (subjects.command(subjects.ABORT, "nlp", RUN), f"runbus.v1.abort.nlp.{RUN}"),
        (subjects.command(subjects.CLEANUP), "runbus.v1.cleanup.*.*"),
        (subjects.command(subjects.EVIDENCE_OF, "nlp"), "runbus.v1.evidence-of.nlp.*"),
        (
            subjects.event("nlp", RUN, "1c", EventType.RUNNING),
            f"runbus.v1.run.nlp.{RUN}.1c.running",
        ),
        (subjects.events_of_run("nlp", RUN), f"runbus.v1.run.nlp.{RUN}.*.*"),
        (subjects.events_of_type(EventType.ADMITTED), "runbus.v1.run.*.*.*.admitted"),
        (subjects.events_of_project("nlp"), "runbus.v1.run.nlp.*.*.*"),
        (subjects.events_of_project(), "runbus.v1.run.*.*.*.*"),
        (subjects.events_of_shard("1c"), "runbus.v1.run.*.*.1c.*"),
        (subjects.evidence("nlp", RUN), f"runbus.v1.evidence.nlp.{RUN}"),
        (subjects.evidence(), "runbus.v1.evidence.*.*"),
        (subjects.api(subjects.API_LINT, "nlp"), "runbus.v1.api.lint.nlp"),
        (subjects.api(subjects.API_EXPLAIN, "nlp"), "runbus.v1.api.explain.nlp"),
        (subjects.api(subjects.API_SUBMIT), "runbus.v1.api.submit.*"),
        (subjects.dead_letter("aborter"), "runbus.v1.deadletter.aborter"),
        (subjects.dead_letter(), "runbus.v1.deadletter.*"),
    ],
)
def test_a_builder_spells_the_subject_of_the_grammar(built: str, subject: str) -> None:
    assert built == subject


projects = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
run_ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=12)
shards = st.integers(0, 63).map("{:02x}".format)


@given(projects, run_ids, shards, st.sampled_from(EventType))
def test_the_subject_of_an_event_is_read_as_it_was_built(
    project: str, run_id: str, shard: str, event_type: EventType
) -> None:
    subject = subjects.event(project, run_id, shard, event_type)
    expected = subjects.EventSubject(project, run_id, shard, event_type.value)
    assert subjects.parse_event(subject) == expected
    assert subjects.project_of(subject) == project


@given(projects, run_ids, st.sampled_from(subjects.COMMAND_VERBS))
def test_the_subject_of_a_command_is_read_as_it_was_built(
    project: str, run_id: str, verb: str
) -> None:
    subject = subjects.command(verb, project, run_id)
    assert subjects.parse_command(subject) == (verb, project, run_id)
    assert subjects.project_of(subject) == project


def test_an_event_type_of_a_later_release_is_read_as_text() -> None:
    parsed = subjects.parse_event(f"runbus.v1.run.nlp.{RUN}.1c.teleported")
    assert parsed.event_type == "teleported"


@pytest.mark.parametrize(
    ("subject", "project"),
    [
        ("runbus.v1.submit.nlp", "nlp"),
        ("runbus.v1.api.submit.nlp", "nlp"),
        (f"runbus.v1.abort.nlp.{RUN}", "nlp"),
        (f"runbus.v1.evidence.nlp.{RUN}", "nlp"),
    ],
)
def test_every_subject_of_a_project_names_it(subject: str, project: str) -> None:
    assert subjects.project_of(subject) == project


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "runbus.v1.submit",
        "runbus.v2.submit.nlp",
        "runbus.v1.api.submit",
        "other.v1.submit.nlp",
        "runbus.v1.deadletter.aborter",
    ],
)
def test_a_subject_without_a_project_is_refused(subject: str) -> None:
    with pytest.raises(subjects.SubjectError, match="has no project"):
        subjects.project_of(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        f"runbus.v1.run.nlp.{RUN}.1c",
        f"runbus.v1.run.nlp.{RUN}.1c.running.more",
        f"runbus.v2.run.nlp.{RUN}.1c.running",
        f"runbus.v1.abort.nlp.{RUN}",
        f"$KV.runs.nlp.{RUN}",
    ],
)
def test_a_subject_that_is_no_events_is_refused(subject: str) -> None:
    with pytest.raises(subjects.SubjectError, match="not the subject of an event"):
        subjects.parse_event(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "runbus.v1.submit.nlp",
        f"runbus.v1.abort.nlp.{RUN}.more",
        f"runbus.v2.abort.nlp.{RUN}",
        f"runbus.v1.run.nlp.{RUN}.1c.running",
        "runbus.v1.api.submit.abcdefghij23",
        f"runbus.v1.evidence.nlp.{RUN}",
    ],
)
def test_a_subject_that_is_no_command_on_a_run_is_refused(subject: str) -> None:
    with pytest.raises(subjects.SubjectError, match="not the subject of a command"):
        subjects.parse_command(subject)


BAD_PROJECTS = ["", "NLP", "nlp.x", "a b", "-nlp", "nlp-", "n" * 64, ">", "nlp\n", "é", "n*"]


@pytest.mark.parametrize("project", BAD_PROJECTS)
@pytest.mark.parametrize(
    "build",
    [
        subjects.submit,
        subjects.events_of_project,
        lambda project: subjects.command(subjects.ABORT, project, RUN),
        lambda project: subjects.event(project, RUN, "00", EventType.RUNNING),
        lambda project: subjects.evidence(project, RUN),
        lambda project: subjects.api(subjects.API_SUBMIT, project),
    ],
)
def test_no_builder_takes_a_project_that_is_no_dns_label(
    build: Callable[[str], str], project: str
) -> None:
    with pytest.raises(subjects.SubjectError, match="is not a DNS label"):
        build(project)


@pytest.mark.parametrize("run_id", ["", "short", "ABCDEFGHIJ23", "abcdefghij2345", "abcdefghij2."])
@pytest.mark.parametrize(
    "build",
    [
        lambda run_id: subjects.command(subjects.ABORT, "nlp", run_id),
        lambda run_id: subjects.event("nlp", run_id, "00", EventType.RUNNING),
        lambda run_id: subjects.events_of_run("nlp", run_id),
        lambda run_id: subjects.evidence("nlp", run_id),
    ],
)
def test_no_builder_takes_a_run_id_outside_the_grammar(
    build: Callable[[str], str], run_id: str
) -> None:
    with pytest.raises(subjects.SubjectError, match="is not 12 characters"):
        build(run_id)


@given(st.text())
def test_any_text_is_either_read_or_refused_by_name(text: str) -> None:
    for parse in (subjects.parse_event, subjects.parse_command, subjects.project_of):
        try:
            parse(text)
        except subjects.SubjectError as error:
            assert repr(text) in str(error)  # noqa: PT017 - both ends are fine, one is checked


@pytest.mark.parametrize("text", BAD_PROJECTS)
def test_a_text_that_is_no_project_is_known_as_such(text: str) -> None:
    assert not subjects.is_project(text)


@pytest.mark.parametrize("text", ["n", "nlp", "a-b", "0", "n" * 63])
def test_a_dns_label_is_a_project(text: str) -> None:
    assert subjects.is_project(text)


@pytest.mark.parametrize(
    ("subject", "template", "run"),
    [
        ("runbus.v1.submit.nlp", "runbus.v1.submit.{project}", None),
        (f"runbus.v1.abort.nlp.{RUN}", "runbus.v1.abort.{project}.{run}", ("nlp", RUN)),
        (
            f"runbus.v1.run.nlp.{RUN}.1c.running",
            "runbus.v1.run.{project}.{run}.{shard}.running",
            ("nlp", RUN),
        ),
        (f"runbus.v1.evidence.nlp.{RUN}", "runbus.v1.evidence.{project}.{run}", ("nlp", RUN)),
        ("runbus.v1.api.submit.nlp", "runbus.v1.api.submit.{project}", None),
        ("runbus.v1.deadletter.aborter", "runbus.v1.deadletter.aborter", None),
        ("else.where.it.is.so", "else.where.it.is.so", None),
    ],
)
def test_a_subject_without_its_names_and_the_run_that_it_names(
    subject: str, template: str, run: tuple[str, str] | None
) -> None:
    assert (subjects.template(subject), subjects.run_of(subject)) == (template, run)
