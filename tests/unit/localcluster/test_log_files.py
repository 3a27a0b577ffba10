"""Container logs on disk: lines, parts of lines, limits, the cap."""

import pathlib
from collections.abc import Iterator

import pytest

from runbus.localcluster.runner.log_files import LogFile, LogQuery, read_from, read_log, stamp

LARGE = 1024 * 1024


def text_of(path: pathlib.Path, **query: object) -> str:
    return read_log(path, LogQuery(**query))[0].decode()  # type: ignore[arg-type]


@pytest.fixture
def log(tmp_path: pathlib.Path) -> Iterator[LogFile]:
    opened = LogFile(tmp_path / "main", 0, LARGE)
    yield opened
    opened.close(0.0)


def test_lines_come_back_as_they_were_written(log: LogFile) -> None:
    log.append(b"one\ntw", 1.0)
    log.append(b"o\n\nthree", 2.0)
    assert text_of(log.path) == "one\ntwo\n\n"
    log.close(3.0)
    assert log.closed
    assert text_of(log.path) == "one\ntwo\n\nthree"


def test_the_tail_counts_whole_lines(log: LogFile) -> None:
    log.append(b"a\n" + b"x" * 40_000 + b"\nb\n", 1.0)
    log.close(1.0)
    assert text_of(log.path, tail_lines=1) == "b\n"
    assert text_of(log.path, tail_lines=2) == "x" * 40_000 + "\nb\n"
    assert text_of(log.path, tail_lines=9).startswith("a\n")
    assert text_of(log.path, tail_lines=0) == ""


def test_times_select_and_can_be_shown(log: LogFile) -> None:
    log.append(b"old\n", 100.0)
    log.append(b"new\n", 200.0)
    assert text_of(log.path, since=stamp(150.0)) == "new\n"
    assert text_of(log.path, timestamps=True, tail_lines=1) == (
        "1970-01-01T00:03:20.000000000Z new\n"
    )
    assert text_of(log.path, limit_bytes=5) == "old\nn"


def test_the_older_half_is_dropped_at_the_cap(tmp_path: pathlib.Path) -> None:
    log = LogFile(tmp_path / "main", 0, 10_000)
    for number in range(1000):
        log.append(b"line %d\n" % number, 1.0)
    log.close(1.0)
    lines = text_of(log.path).splitlines()
    assert lines[-1] == "line 999"
    assert len(lines) < 400
    size = sum(each.stat().st_size for each in (tmp_path / "main").iterdir())
    assert size <= 10_000


def test_a_reader_goes_on_where_it_was(log: LogFile) -> None:
    log.append(b"one\n", 1.0)
    _, position = read_log(log.path, LogQuery())
    assert read_from(log.path, position) == ([], position)
    log.append(b"two\n", 2.0)
    lines, after = read_from(log.path, position)
    assert [line.split(b" ", 3)[3] for line in lines] == [b"two"]
    assert after > position


def test_only_the_last_runs_are_kept(tmp_path: pathlib.Path) -> None:
    for run in range(4):
        LogFile(tmp_path / "main", run, LARGE).close(1.0)
    assert sorted(each.name for each in (tmp_path / "main").iterdir()) == ["2.log", "3.log"]
