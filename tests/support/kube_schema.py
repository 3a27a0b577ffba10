"""What a strict API server would say of an object: a field that it would prune is an error.

The schemas stand in the shared test data: a part of Kubernetes' OpenAPI, the operators' own CRDs,
and a strict schema of Nuclio's functions, whose CRD checks nothing. They say nothing about unknown
fields, so that here each object is closed but where a schema keeps what it does not know.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from support.documents import data_folder, read_yaml

POD = "io.k8s.api.core.v1.Pod"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# Written as text and as a number by clients; the definitions leave the choice open.
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_CRDS = {
    ("kubeflow.org/v2beta1", "MPIJob"): "mpi-operator/mpijob.yaml",
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication"): "spark-operator/sparkapplication.yaml",
    ("kubernetes.dask.org/v1", "DaskCluster"): "dask-kubernetes/daskcluster.yaml",
    ("kubernetes.dask.org/v1", "DaskJob"): "dask-kubernetes/daskjob.yaml",
    ("kubernetes.dask.org/v1", "DaskAutoscaler"): "dask-kubernetes/daskautoscaler.yaml",
    ("nuclio.io/v1beta1", "NuclioProject"): "nuclio/nuclioproject.yaml",
}
_FUNCTION = ("nuclio.io/v1beta1", "NuclioFunction")


def schema_errors(manifest: Any) -> list[str]:
    """Return what a strict API server would say of an object, empty where it is right."""
    crds = data_folder("crds")
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind == ("v1", "Pod"):
        validator = _validator_of_core(crds, POD)
    elif kind == _FUNCTION:
        validator = _validator_of_functions(crds)
    else:
        validator = _validator_of_crd(crds, *kind)
    return sorted(
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)
    )


@cache
def _validator_of_core(crds: Path, definition: str) -> Draft202012Validator:
    schema = {"$ref": f"#/definitions/{definition}", "definitions": _core(crds)}
    return Draft202012Validator(schema)


@cache
def _validator_of_functions(crds: Path) -> Draft202012Validator:
    path = crds / "nuclio/nucliofunction.strict.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    definitions = {**schema["definitions"], **_core(crds)}
    return Draft202012Validator({**schema, "definitions": definitions})


@cache
def _validator_of_crd(crds: Path, api_version: str, kind: str) -> Draft202012Validator:
    crd = read_yaml(crds / _CRDS[api_version, kind])
    (found,) = (
        each["schema"]["openAPIV3Schema"]
        for each in crd["spec"]["versions"]
        if each["name"] == api_version.rpartition("/")[2]
    )
    closed = _closed(found)
    closed["properties"].update(
        apiVersion={"const": api_version},
        kind={"const": kind},
        metadata={"$ref": f"#/definitions/{_OBJECT_META}"},
    )
    return Draft202012Validator({**closed, "definitions": _core(crds)})


@cache
def _core(crds: Path) -> dict[str, Any]:
    path = crds / "k8s/openapi-core-subset.json"
    definitions = json.loads(path.read_text(encoding="utf-8"))["definitions"]
    closed = {name: _closed(each) for name, each in definitions.items()}
    closed[_QUANTITY] = {"type": "string"}
    closed[_INT_OR_STRING] = {"type": ["integer", "string"]}
    return closed


def _closed(schema: Any) -> Any:
    """Return a schema without room for unknown fields; a mapping of values stays one."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        inner["properties"] = {name: _closed(each) for name, each in schema["properties"].items()}
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields") is True
    is_object = schema.get("type") == "object" or isinstance(schema.get("properties"), dict)
    if is_object and not keeps_unknown:
        inner.setdefault("additionalProperties", False)
    return inner
