"""What can be mounted, and the volumes that it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.sdk import (
    Mount,
    RefusedSettingError,
    VolumeMount,
    mount_configmap,
    mount_empty_dir,
    mount_hostpath,
    mount_pvc,
    mount_secret,
    mount_v3io,
    new_function,
)


@pytest.mark.parametrize(
    ("mount", "volumes"),
    [
        (mount_pvc("c"), [{"name": "pipeline", "mount": "/mnt/pipeline", "pvc": "c"}]),
        (
            mount_pvc("c", "data", "/data", sub_path="a", read_only=True),
            [{"name": "data", "mount": "/data", "pvc": "c", "sub_path": "a", "read_only": True}],
        ),
        (
            mount_configmap("cfg", "/cfg", items={"a": "a.txt"}),
            [{"name": "configmap", "mount": "/cfg", "config_map": "cfg", "items": {"a": "a.txt"}}],
        ),
        (
            mount_secret("key", "/key", items=[{"key": "a", "path": "b"}]),
            [{"name": "secret", "mount": "/key", "secret": "key", "items": {"a": "b"}}],
        ),
        (
            mount_hostpath("/mnt/x", "/x"),
            [{"name": "hostpath", "mount": "/x", "host_path": "/mnt/x"}],
        ),
        (
            mount_empty_dir("/dev/shm", "shm", medium="Memory", size="8Gi"),
            [{"name": "shm", "mount": "/dev/shm",
              "empty_dir": {"medium": "Memory", "size": "8Gi"}}],
        ),
        (mount_empty_dir("/tmp"), [{"name": "scratch", "mount": "/tmp", "empty_dir": {}}]),
    ],
)  # fmt: skip
def test_each_mount_comes_to_a_volume(mount: Mount, volumes: list[dict[str, Any]]) -> None:
    fn = new_function("a", "b", image="x:1").apply(mount)
    assert fn.to_dict()["volumes"] == volumes


@pytest.mark.parametrize(
    ("arguments", "volumes"),
    [
        ({}, [{"name": "v3io", "mount": "/User",
               "v3io": {"container": "users", "path": "~", "secret": "s"}}]),
        ({"user": "ada"}, [{"name": "v3io", "mount": "/User",
                            "v3io": {"container": "users", "path": "ada", "secret": "s"}}]),
        ({"remote": "projects/nlp", "volume_mounts": [VolumeMount("/a"), VolumeMount("/b", "c/d")]},
         [{"name": "v3io", "mount": "/a",
           "v3io": {"container": "projects", "path": "nlp", "secret": "s"}},
          {"name": "v3io-1", "mount": "/b",
           "v3io": {"container": "projects", "path": "nlp/c/d", "secret": "s"}}]),
        ({"remote": "~/x", "volume_mounts": [VolumeMount("/a")]},
         [{"name": "v3io", "mount": "/a",
           "v3io": {"container": "users", "path": "~/x", "secret": "s"}}]),
        ({"volume_mounts": [VolumeMount("/a", "lake")]},
         [{"name": "v3io", "mount": "/a", "v3io": {"container": "lake", "secret": "s"}}]),
    ],
)  # fmt: skip
def test_v3io_mounts_come_to_a_volume_for_each_path(
    arguments: dict[str, Any], volumes: list[dict[str, Any]]
) -> None:
    assert list(mount_v3io(secret="s", **arguments).volumes) == volumes


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({}, "/volumes/v3io/v3io/secret"),
        ({"access_key": "k"}, "/volumes/v3io/v3io/secret"),
        ({"secret": "s", "remote": "projects/x"}, "/volumes/v3io/mount"),
        ({"secret": "s", "volume_mounts": [VolumeMount("/a")]}, "/volumes/v3io/v3io/container"),
    ],
)
def test_a_v3io_mount_without_secret_place_or_container_is_refused(
    arguments: dict[str, Any], path: str
) -> None:
    with pytest.raises(RefusedSettingError) as found:
        mount_v3io(**arguments)
    assert [each.path for each in found.value.violations] == [path]
    assert "'k'" not in str(found.value)


def test_two_volumes_of_one_name_or_at_one_path_are_refused() -> None:
    fn = new_function("a", "b", image="x:1").apply(mount_pvc("c"))
    with pytest.raises(RefusedSettingError, match="/volumes/1/name"):
        fn.apply(mount_pvc("d"))
    with pytest.raises(RefusedSettingError, match="/volumes/1/mount"):
        fn.apply(mount_pvc("d", "other"))
    assert len(fn.to_dict()["volumes"]) == 1
