"""Who may do what, asked over the API: one user, who may do everything. There is no RBAC."""

from typing import Any

JsonObject = dict[str, Any]
_REASON = "the local cluster has one user, who may do everything"
_ALL = ["*"]
# path -> kind, and the status of its answer
_REVIEWS: dict[str, tuple[str, JsonObject]] = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": (
        "SelfSubjectAccessReview",
        {"allowed": True, "reason": _REASON},
    ),
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": (
        "SelfSubjectRulesReview",
        {
            "incomplete": False,
            "resourceRules": [{"verbs": _ALL, "apiGroups": _ALL, "resources": _ALL}],
            "nonResourceRules": [{"verbs": _ALL, "nonResourceURLs": _ALL}],
        },
    ),
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": (
        "SelfSubjectReview",
        {"userInfo": {"username": "local", "groups": ["system:masters", "system:authenticated"]}},
    ),
}
GROUPS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("authorization.k8s.io", "v1"): (
        ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
        ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ),
    ("authentication.k8s.io", "v1"): (("selfsubjectreviews", "SelfSubjectReview"),),
}


def is_review(path: str) -> bool:
    """Whether a path is one of these."""
    return path in _REVIEWS


def answer(path: str, body: Any) -> JsonObject:
    """The review that was posted, with its status."""
    kind, status = _REVIEWS[path]
    given = body if isinstance(body, dict) else {}
    group_version = path.removeprefix("/apis/").rpartition("/")[0]
    return {
        "kind": kind,
        "apiVersion": group_version,
        "metadata": {"creationTimestamp": None},
        "spec": given.get("spec") or {},
        "status": status,
    }
