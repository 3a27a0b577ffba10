"""The object store: versions, history, pages."""

from typing import Any

import pytest

from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.resources import CONFIG_MAPS, RESOURCES
from runbus.localcluster.rules.selectors import Selector, parse_label_selector
from runbus.localcluster.store.history import EventType
from runbus.localcluster.store.pages import Pages
from runbus.localcluster.store.store import ObjectStore


def new_store(history: int = 10) -> ObjectStore:
    return ObjectStore(RESOURCES, 100, history)


def config(name: str, namespace: str = "n", **labels: str) -> Any:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def test_every_write_gets_the_next_version() -> None:
    store = new_store()
    a = store.create(CONFIG_MAPS, config("a"))
    b = store.replace(CONFIG_MAPS, a, {**a.obj, "data": {}})
    same = store.replace(CONFIG_MAPS, b, dict(b.obj))
    gone = store.remove(CONFIG_MAPS, b)
    assert [a.version, b.version, same.version, gone.version] == [101, 102, 102, 103]
    assert gone.obj["metadata"]["resourceVersion"] == "103"
    assert a.obj["metadata"]["resourceVersion"] == "101"


def test_a_taken_name_and_an_unknown_one_are_refused() -> None:
    store = new_store()
    store.create(CONFIG_MAPS, config("a"))
    with pytest.raises(ApiError, match="already exists"):
        store.create(CONFIG_MAPS, config("a"))
    with pytest.raises(ApiError, match="not found"):
        store.get(CONFIG_MAPS, "n", "b")


def test_lists_are_in_order_and_kept_apart_by_namespace() -> None:
    store = new_store()
    for namespace, name in (("b", "z"), ("a", "y"), ("b", "a"), ("b-2", "m")):
        store.create(CONFIG_MAPS, config(name, namespace))
    assert [each.key for each in store.all(CONFIG_MAPS, "b")] == [("b", "a"), ("b", "z")]
    assert [each.key for each in store.all(CONFIG_MAPS)] == [
        ("a", "y"),
        ("b", "a"),
        ("b", "z"),
        ("b-2", "m"),
    ]


def test_history_is_read_from_any_kept_version_on() -> None:
    store = new_store(history=3)
    history = store.collection(CONFIG_MAPS).history
    for number in range(5):
        store.create(CONFIG_MAPS, config(f"m{number}"))
    assert history.after(101) is None
    position = history.after(102)
    assert position is not None
    events = history.read(position, 10)
    assert [each.version for each in events or []] == [103, 104, 105]
    assert history.read(position, 2) == (events or [])[:2]
    assert history.after(105) == history.position
    store.create(CONFIG_MAPS, config("m5"))
    assert history.read(position, 10) is None


def test_a_forgotten_history_serves_nobody_from_before() -> None:
    store = new_store()
    store.create(CONFIG_MAPS, config("a"))
    store.forget_history()
    history = store.collection(CONFIG_MAPS).history
    assert history.after(101) is None
    assert history.after(store.version) == history.position


def test_one_line_is_made_for_all_watchers() -> None:
    store = new_store()
    collection = store.collection(CONFIG_MAPS)
    store.create(CONFIG_MAPS, config("a"))
    [event] = collection.history.read(0, 10) or []
    line = collection.line(event, EventType.ADDED)
    assert line is collection.line(event, EventType.ADDED)
    assert line.startswith(b'{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1",')


def test_pages_are_of_one_moment_and_limited_in_number() -> None:
    store, pages = new_store(), Pages(most=1)
    for name in "abcde":
        store.create(CONFIG_MAPS, config(name))
    every = Selector()
    first = pages.first(store.all(CONFIG_MAPS), store.version, every, 2)
    store.remove(CONFIG_MAPS, store.get(CONFIG_MAPS, "n", "c"))
    second = pages.next(first.token, every, 2)
    assert [each.key[1] for each in second.items] == ["c", "d"]
    assert (first.remaining, second.remaining, second.version) == (3, 1, first.version)
    pages.first(store.all(CONFIG_MAPS), store.version, every, 2)
    with pytest.raises(ApiError) as refusal:
        pages.next(second.token, every, 2)
    assert refusal.value.code == 410


def test_a_page_of_a_selection_does_not_count_the_rest() -> None:
    store, pages = new_store(), Pages()
    for name in "abc":
        store.create(CONFIG_MAPS, config(name, x="1"))
    selector = Selector("", parse_label_selector("x=1"))
    page = pages.first(store.all(CONFIG_MAPS), store.version, selector, 2)
    assert (len(page.items), page.remaining) == (2, None)


@pytest.mark.parametrize("token", ["bad", "e30", "!!!", "eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6IiJ9"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ApiError, match="invalid continue token") as refusal:
        Pages().next(token, Selector(), 1)
    assert refusal.value.code == 400


def test_a_list_is_shown_as_it_was_while_that_is_known() -> None:
    store = new_store(history=4)
    kept = store.create(CONFIG_MAPS, config("kept", v="1"))
    gone = store.create(CONFIG_MAPS, config("gone"))
    then = store.version
    changed = store.replace(CONFIG_MAPS, kept, config("kept", v="2"))
    store.remove(CONFIG_MAPS, gone)
    store.create(CONFIG_MAPS, config("new"))
    store.create(CONFIG_MAPS, config("elsewhere", "m"))
    assert store.at(CONFIG_MAPS, then, "n") == [gone, kept]
    assert changed in store.at(CONFIG_MAPS, then + 1)
    assert [each.key[1] for each in store.at(CONFIG_MAPS, store.version)] == [
        "elsewhere",
        "kept",
        "new",
    ]
    store.create(CONFIG_MAPS, config("later"))
    with pytest.raises(ApiError) as refusal:
        store.at(CONFIG_MAPS, then)
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
