"""What ``--node`` says of a node, and which devices its pods get."""

import pathlib

import pytest

from runbus.localcluster.node_specs import NodeSpec, NodeTaint, parse_node
from runbus.localcluster.options import capacity_of, nodes_of, parse_options
from runbus.localcluster.orders import Order, read_orders
from runbus.localcluster.rules.shapes import Container, Meta, Pod, PodSpec, Requirements
from runbus.localcluster.runner.context import RunnerSettings
from runbus.localcluster.runner.devices import Devices, NoDevice
from runbus.localcluster.runner.host import number_devices

GPU = "nvidia.com/gpu"


def test_every_part_of_a_node_is_read() -> None:
    text = (
        "name=spot-1,cpu=4,memory=8Gi,pods=20,nvidia.com/gpu=2,spot=aks,"
        "labels=pool=a;zone=b,taints=x=y:NoExecute;z:NoSchedule"
    )
    assert parse_node(text) == NodeSpec(
        "spot-1",
        "4",
        "8Gi",
        20,
        ((GPU, "2"),),
        (("kubernetes.azure.com/scalesetpriority", "spot"), ("pool", "a"), ("zone", "b")),
        (
            NodeTaint("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule"),
            NodeTaint("x", "y", "NoExecute"),
            NodeTaint("z", "", "NoSchedule"),
        ),
    )
    assert parse_node("name=n,spot=true").labels == (("karpenter.sh/capacity-type", "spot"),)
    assert parse_node("name=n,spot=false") == parse_node("name=n") == NodeSpec("n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpu=4", "needs name="),
        ("name=Not_a_name", "needs name="),
        ("name=n,cpu", "'cpu' is not KEY=VALUE"),
        ("name=n,name=m", "name is given twice"),
        ("name=n,cpu=four", "cpu=four is no quantity"),
        ("name=n,cpu=0", "must be more than 0"),
        ("name=n,pods=-1", "pods=-1 is not a whole number"),
        ("name=n,spot=maybe", "one of true, false, karpenter, gke"),
        ("name=n,labels=a", "label 'a' is not KEY=VALUE"),
        ("name=n,taints=a:Never", "effects: NoSchedule, PreferNoSchedule, NoExecute"),
        ("name=n,gpu=2", "gpu is not one of name, cpu, memory"),
        ("name=n,nvidia.com/gpu=9999", "whole number up to 1024"),
    ],
)
def test_what_is_wrong_with_a_node_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_node(text)


def test_nodes_come_beside_the_hosts_own_or_stand_for_it(tmp_path: pathlib.Path) -> None:
    base = ["--dir", str(tmp_path), "--cpu=3"]
    both = nodes_of(parse_options([*base, "--node", "name=b,cpu=1,memory=1Gi"]))
    assert [each.name for each in both] == ["local", "b"]
    assert capacity_of(both[1]) == {"cpu": "1", "memory": "1Gi", "pods": "110"}
    assert capacity_of(both[0])["cpu"] == "3"
    one = nodes_of(parse_options([*base, "--node", "name=local,cpu=9"]))
    assert [(each.name, each.cpu) for each in one] == [("local", "9")]


def test_two_nodes_of_one_name_are_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_options(["--dir", str(tmp_path), "--node=name=a", "--node=name=a"])
    assert "two --node have one name" in capsys.readouterr().err


def test_orders_that_cannot_be_read_are_none() -> None:
    data = {"a": '{"order":"lose","serial":2}', "b": "{}x", "c": '{"order":"explode"}'}
    assert read_orders(data) == {"a": Order("lose", 0.0, 2)}
    assert read_orders(None) == {}


def a_pod(uid: str, *containers: int, init: int = 0) -> Pod:
    def wanting(name: str, count: int) -> Container:
        limits: dict[str, str | int | float] = {GPU: count} if count else {"memory": "1Gi"}
        return Container(name=name, resources=Requirements(limits=limits))

    main = [wanting(f"c{i}", count) for i, count in enumerate(containers)]
    inits = [wanting("init", init)] if init else None
    return Pod(metadata=Meta(uid=uid), spec=PodSpec(containers=main, init_containers=inits))


def seen(devices: Devices, uid: str, container: str = "c0") -> str:
    return devices.environment(uid, container)["CUDA_VISIBLE_DEVICES"]


def test_a_device_belongs_to_one_container_until_it_is_free() -> None:
    devices = Devices({GPU: range(3)})
    devices.allot(a_pod("a", 1, 1))
    assert (seen(devices, "a", "c0"), seen(devices, "a", "c1")) == ("0", "1")
    with pytest.raises(NoDevice, match=f"{GPU}. Requested: 2, Available: 1"):
        devices.allot(a_pod("b", 2))
    devices.allot(a_pod("c", 1))
    assert seen(devices, "c") == "2"
    devices.free("a")
    devices.allot(a_pod("b", 2))
    assert seen(devices, "b") == "0,1"
    devices.free("unknown")


def test_init_containers_share_and_who_asked_for_none_sees_none() -> None:
    devices = Devices({GPU: range(4, 6)})
    devices.allot(a_pod("a", 2, 0, init=1))
    assert seen(devices, "a", "init") == "4"
    assert devices.environment("a", "c1") == {
        "CUDA_VISIBLE_DEVICES": "",
        "NVIDIA_VISIBLE_DEVICES": "void",
    }
    assert Devices({}).environment("a", "c0") == {}


def test_uncounted_resources_are_the_schedulers_business() -> None:
    devices = Devices({}, frozenset((GPU,)))
    devices.allot(a_pod("a", 5))
    assert devices.environment("a", "c0") == {}


def test_devices_of_all_nodes_have_numbers_of_their_own() -> None:
    nodes = [
        RunnerSettings("a", "", {"cpu": "1", GPU: "2"}),
        RunnerSettings("b", "", {"cpu": "1"}),
        RunnerSettings("c", "", {GPU: "1", "amd.com/gpu": "1", "x.com/y": "5000"}),
    ]
    assert number_devices(nodes) == [
        {GPU: range(2)},
        {},
        {GPU: range(2, 3), "amd.com/gpu": range(1)},
    ]
