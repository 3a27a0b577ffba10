"""Names, labels, keys and image references."""

import pytest

from runbus.localcluster.rules import names


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            names.check_dns_label,
            ["a", "a-1", "1a", "a" * 63],
            ["", "A", "a.", "-a", "a_", "a" * 64],
        ),
        (names.check_dns_subdomain, ["a.b", "a-1.c"], ["", "a..b", ".a", "A", "a" * 254]),
        (names.check_label_value, ["", "a", "A_b.c-d"], ["-a", "a-", "a b", "a" * 64]),
        (
            names.check_qualified_name,
            ["a", "example.com/a", "nvidia.com/gpu", "A_b"],
            ["", "/a", "a/", "a/b/c", "Ex/ a", "example.com/" + "a" * 64, "B_x/a"],
        ),
        (names.check_config_key, ["a.b", "A_b-c", ".hidden"], ["", "a b", "..", "..a", ".", "a/b"]),
        (names.check_env_name, ["A", "a.b", "a-b", "1"], ["", "a=b", "ä"]),
    ],
)
def test_names_are_checked(check: object, good: list[str], bad: list[str]) -> None:
    assert callable(check)
    assert [each for each in good if check(each)] == []
    assert [each for each in bad if not check(each)] == []


@pytest.mark.parametrize(
    ("image", "parsed"),
    [
        ("x", ("x", "", "")),
        ("x:1", ("x", "1", "")),
        ("registry.example.com:5000/nlp/x:1.2-a", ("registry.example.com:5000/nlp/x", "1.2-a", "")),
        ("localhost/x", ("localhost/x", "", "")),
        (f"x@sha256:{'a' * 64}", ("x", "", f"sha256:{'a' * 64}")),
        ("Registry/UPPER:1", None),
        ("x y", None),
        ("", None),
        ("x:", None),
        ("-x", None),
        ("x@sha256:abc", None),
    ],
)
def test_images_are_parsed(image: str, parsed: tuple[str, str, str] | None) -> None:
    assert names.parse_image(image) == parsed
