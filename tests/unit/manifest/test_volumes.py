"""Volumes of the pod and mounts of the container come from one list."""

from __future__ import annotations

from typing import Any

import pytest

from support.documents import a_pod_of

VOLUMES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"pvc": "nlp-data"}, {"persistentVolumeClaim": {"claimName": "nlp-data"}}),
    ({"config_map": "cfg"}, {"configMap": {"name": "cfg"}}),
    (
        {"config_map": "cfg", "items": {"a": "a.txt"}},
        {"configMap": {"name": "cfg", "items": [{"key": "a", "path": "a.txt"}]}},
    ),
    ({"secret": "key"}, {"secret": {"secretName": "key"}}),
    (
        {"secret": "key", "items": {"b": "x/b"}},
        {"secret": {"secretName": "key", "items": [{"key": "b", "path": "x/b"}]}},
    ),
    ({"empty_dir": {}}, {"emptyDir": {}}),
    (
        {"empty_dir": {"medium": "Memory", "size": "8Gi"}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
    ),
    ({"host_path": "/mnt/x"}, {"hostPath": {"path": "/mnt/x"}}),
]


@pytest.mark.parametrize(("source", "expected"), VOLUMES)
def test_each_source_of_a_volume_has_its_shape(
    source: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = a_pod_of(volumes=[{"name": "v", "mount": "/v", **source}])["spec"]
    assert spec["volumes"] == [{"name": "v", **expected}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "v", "mountPath": "/v"}]


V3IO: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"container": "projects", "path": "nlp/a"}, {"container": "projects", "subPath": "nlp/a"}),
    ({"container": "bigdata"}, {"container": "bigdata"}),
    ({"path": "~"}, {"container": "users", "subPath": "ada"}),
    ({"path": "~/notebooks"}, {"container": "users", "subPath": "ada/notebooks"}),
    ({"container": "users", "path": "~/x"}, {"container": "users", "subPath": "ada/x"}),
    ({"container": "projects", "path": "a/~"}, {"container": "projects", "subPath": "a/~"}),
]


@pytest.mark.parametrize(("source", "options"), V3IO)
def test_a_v3io_volume_takes_its_key_from_a_secret_and_the_home_is_the_users(
    source: dict[str, Any], options: dict[str, str]
) -> None:
    volume = {"name": "lake", "mount": "/v3io", "v3io": {**source, "secret": "v3io-key"}}
    (found,) = a_pod_of(user="ada", volumes=[volume])["spec"]["volumes"]
    flex_volume = {
        "driver": "v3io/fuse",
        "options": options,
        "secretRef": {"name": "v3io-key"},
    }
    assert found == {"name": "lake", "flexVolume": flex_volume}


def test_without_a_user_the_home_is_nobodys_and_never_all_of_them() -> None:
    volume = {"name": "lake", "mount": "/v3io", "v3io": {"path": "~/x", "secret": "key"}}
    (found,) = a_pod_of(volumes=[volume])["spec"]["volumes"]
    assert found["flexVolume"]["options"] == {"container": "users", "subPath": "~/x"}


READ_ONLY: list[tuple[dict[str, Any], str]] = [
    ({"pvc": "p"}, "persistentVolumeClaim"),
    ({"v3io": {"container": "c", "secret": "s"}}, "flexVolume"),
]


@pytest.mark.parametrize(("source", "field"), READ_ONLY)
def test_what_is_read_only_is_so_at_its_source_too_where_that_can_be_said(
    source: dict[str, Any], field: str
) -> None:
    volume = {"name": "v", "mount": "/v", "read_only": True, **source}
    (found,) = a_pod_of(volumes=[volume])["spec"]["volumes"]
    assert found[field]["readOnly"] is True


def test_a_mount_can_be_part_of_a_volume_and_read_only() -> None:
    volume = {"name": "v", "mount": "/v", "pvc": "p", "sub_path": "a/b", "read_only": True}
    (container,) = a_pod_of(volumes=[volume])["spec"]["containers"]
    expected = {"name": "v", "mountPath": "/v", "subPath": "a/b", "readOnly": True}
    assert container["volumeMounts"] == [expected]


def test_volumes_keep_their_order() -> None:
    volumes: list[Any] = [
        {"name": name, "mount": f"/{name}", "empty_dir": {}} for name in ("b", "a", "c")
    ]
    spec = a_pod_of(volumes=volumes)["spec"]
    assert [each["name"] for each in spec["volumes"]] == ["b", "a", "c"]
    mounts = spec["containers"][0]["volumeMounts"]
    assert [each["mountPath"] for each in mounts] == ["/b", "/a", "/c"]
