"""Where mount paths are rewritten, and where they are left alone."""

import pytest

from runbus.localcluster.runner.mounts import mount_view

ROOT = "/r"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/r/data"),
        ("/data/x.csv", "/r/data/x.csv"),
        ("--in=/data/x", "--in=/r/data/x"),
        ("a:/data/bin:/usr", "a:/r/data/bin:/usr"),
        ("open('/data/x')", "open('/r/data/x')"),
        ('{"path":"/data"}', '{"path":"/r/data"}'),
        ("file:///data/x", "file:///r/data/x"),
        ("cat </data/a >/data/b", "cat </r/data/a >/r/data/b"),
        ("/data/models/m", "/r/data/models/m"),
        ("s3://bucket/data/x", "s3://bucket/data/x"),
        ("http://host/data", "http://host/data"),
        ("./data ../data", "./data ../data"),
        ("/database", "/database"),
        ("/datasets/data", "/datasets/data"),
        ("/mydata /data-2", "/mydata /data-2"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_a_mount_path_is_rewritten_where_it_stands_alone(text: str, expected: str) -> None:
    assert mount_view(ROOT, ["/data", "/data/models/"]).rewrite(text) == expected


def test_a_mount_at_the_root_rewrites_nothing() -> None:
    assert mount_view(ROOT, ["/"]).rewrite("/bin/sh /x") == "/bin/sh /x"


def test_paths_are_normalised() -> None:
    view = mount_view(ROOT, ["/a//b/", "c"])
    assert view.paths == ("/a/b", "/c")
    assert view.real("/a/../b") == "/r/b"
    assert view.real("/../../etc") == "/r/etc"


@pytest.mark.parametrize(
    ("path", "expected"), [("/data", True), ("/data/x", True), ("/database", False), ("/", False)]
)
def test_a_view_knows_what_lies_in_a_mount(path: str, expected: bool) -> None:
    assert mount_view(ROOT, ["/data"]).covers(path) is expected
