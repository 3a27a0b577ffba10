"""Changes over a document, as one more level would be."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.sdk.functions.merging import with_changes

DATA = {"name": "data", "pvc": "a", "mount": "/data"}


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ({"image": "a"}, {"image": "b"}, {"image": "b"}),
        ({"image": "a"}, {"image": None}, {}),
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"b": None}}, {"labels": {"a": "1"}}),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"resources": {"requests": {"cpu": "1"}}}, {"resources": {"requests": {"memory": "1"}}},
         {"resources": {"requests": {"cpu": "1", "memory": "1"}}}),
        ({"resources": {"requests": {"cpu": "1"}}}, {"resources": {}}, {"resources": {}}),
        ({"nuclio": {"http": {"workers": 1, "host": "a"}}}, {"nuclio": {"http": {"workers": 2}}},
         {"nuclio": {"http": {"workers": 2, "host": "a"}}}),
        ({"affinity": {"podAffinity": {}}}, {"affinity": {"nodeAffinity": {}}},
         {"affinity": {"nodeAffinity": {}}}),
        ({"volumes": [DATA]}, {"volumes": [{**DATA, "pvc": "b"}]},
         {"volumes": [{**DATA, "pvc": "b"}]}),
        ({"parameters": {"a": 1, "b": 2}}, {"parameters": {"b": None}},
         {"parameters": {"a": 1, "b": None}}),
        ({"parameters": {"a": 1}}, {"parameters": [1]}, {"parameters": [1]}),
        ({"replicas": 2, "min_replicas": None}, {"max_replicas": 4},
         {"min_replicas": None, "max_replicas": 4}),
        ({"min_replicas": 1, "max_replicas": 4}, {"replicas": 2}, {"replicas": 2}),
        ({"state_thresholds": {"running": "1h", "held": "1h"}},
         {"state_thresholds": {"executing": "2h"}},
         {"state_thresholds": {"held": "1h", "executing": "2h"}}),
        ({"roles": {"driver": {"env": [{"name": "A", "value": "1"}]}}},
         {"roles": {"driver": {"env": {"B": 2}}}},
         {"roles": {"driver": {"env": [{"name": "A", "value": "1"},
                                       {"name": "B", "value": "2"}]}}}),
        ({"labels": {"env": "test"}}, {"labels": {"env": "prod"}}, {"labels": {"env": "prod"}}),
    ],
)  # fmt: skip
def test_each_setting_is_merged_by_its_own_rule(
    before: dict[str, Any], changes: dict[str, Any], after: dict[str, Any]
) -> None:
    untouched = repr(before)
    assert with_changes(before, changes) == after
    assert repr(before) == untouched
