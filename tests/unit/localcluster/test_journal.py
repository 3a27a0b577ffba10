"""What the journal keeps of the objects over a restart, and what it survives."""

import asyncio
import pathlib
from typing import Any

import pytest

from runbus.localcluster.api.journal import Journal, JournalError
from runbus.localcluster.rules.resources import CONFIG_MAPS, RESOURCES, SECRETS
from runbus.localcluster.store.store import ObjectStore

FIRST = 100


def opened(folder: pathlib.Path, first: int = FIRST) -> tuple[Journal, ObjectStore]:
    journal = Journal(folder)
    store = ObjectStore(RESOURCES, max(first, journal.load() + 1), 10, journal.record)
    journal.restore(store, RESOURCES)
    return journal, store


def config(name: str, **data: str) -> Any:
    return {"metadata": {"name": name, "namespace": "n"}, "data": data}


def names(store: ObjectStore) -> list[str]:
    return [each.obj["metadata"]["name"] for each in store.all(CONFIG_MAPS)]


def files(folder: pathlib.Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_creations_changes_and_removals_are_there_again(tmp_path: pathlib.Path) -> None:
    _, store = opened(tmp_path)
    kept = store.create(CONFIG_MAPS, config("kept"))
    kept = store.replace(CONFIG_MAPS, kept, {**kept.obj, "data": {"a": "1"}})
    store.remove(CONFIG_MAPS, store.create(CONFIG_MAPS, config("gone")))
    store.create(SECRETS, config("kept"))
    _, again = opened(tmp_path)
    assert names(again) == ["kept"]
    found = again.get(CONFIG_MAPS, "n", "kept")
    assert (found.obj, found.version, found.body) == (kept.obj, kept.version, kept.body)
    assert again.version > store.version


def test_each_start_begins_a_generation_and_drops_the_one_before(tmp_path: pathlib.Path) -> None:
    for number in range(3):
        _, store = opened(tmp_path)
        store.create(CONFIG_MAPS, config(f"c{number}"))
    assert names(opened(tmp_path)[1]) == ["c0", "c1", "c2"]
    assert files(tmp_path) == ["journal-00000004", "snapshot-00000004"]


def test_a_line_that_was_cut_off_was_never_confirmed_and_is_left_out(
    tmp_path: pathlib.Path,
) -> None:
    _, store = opened(tmp_path)
    store.create(CONFIG_MAPS, config("whole"))
    with (tmp_path / "journal-00000001").open("ab") as file:
        file.write(b'{"k":"configmaps","v":999,"n":["n","half"],"o":{"meta')
    assert names(opened(tmp_path)[1]) == ["whole"]


def test_a_kill_before_the_snapshot_is_whole_loses_nothing(tmp_path: pathlib.Path) -> None:
    _, store = opened(tmp_path)
    store.create(CONFIG_MAPS, config("a"))
    (tmp_path / "journal-00000002").write_bytes(
        b'{"k":"configmaps","v":500,"n":["n","b"],"o":{"metadata":'
        b'{"name":"b","namespace":"n","resourceVersion":"500"}}}\n'
    )
    (tmp_path / ".snapshot-00000002.new").write_bytes(b'{"k":"configm')
    _, again = opened(tmp_path)
    assert names(again) == ["a", "b"]
    assert again.version > 500


def test_a_change_that_cannot_be_written_is_not_made(tmp_path: pathlib.Path) -> None:
    journal, store = opened(tmp_path)
    journal.close()
    with pytest.raises(JournalError):
        store.create(CONFIG_MAPS, config("a"))
    assert names(store) == []


def test_a_long_journal_is_folded_into_a_snapshot(tmp_path: pathlib.Path) -> None:
    journal, store = opened(tmp_path)
    assert not asyncio.run(journal.tidy(store, RESOURCES))
    kept = store.create(CONFIG_MAPS, config("a"))
    for number in range(1000):
        text = str(number) * 6000
        kept = store.replace(CONFIG_MAPS, kept, {**kept.obj, "data": {"a": text}})
    assert asyncio.run(journal.tidy(store, RESOURCES))
    assert files(tmp_path) == ["journal-00000002", "snapshot-00000002"]
    store.create(CONFIG_MAPS, config("b"))
    again = opened(tmp_path)[1]
    assert names(again) == ["a", "b"]
    assert again.get(CONFIG_MAPS, "n", "a").obj == kept.obj
