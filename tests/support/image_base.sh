#!/usr/bin/env bash
# Makes a base image for the tests that build the real image, where no hub can be asked for one.
#
#   image_base.sh            make it if it is not there, and print its name
#   image_base.sh --where    print its name without making it; exit code 1 where it is not there
#
# Debian's packages with a `python`, 100 MB of downloads, half a minute; needs root, and of Debian's
# packages buildah, runc and mmdebstrap. RUNBUS_TEST_BASE_IMAGE names another base: nothing is made.
set -euo pipefail

name=localhost/runbus-test-base:bookworm
storage=${XDG_CACHE_HOME:-$HOME/.cache}/runbus/images
buildah=(buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs)

fail() { echo "image-base: $*" >&2; exit 1; }

[[ -z ${RUNBUS_TEST_BASE_IMAGE:-} ]] || { echo "$RUNBUS_TEST_BASE_IMAGE"; exit; }
for tool in buildah runc; do
  command -v "$tool" >/dev/null || fail "there is no $tool: install Debian's package"
done
[[ $EUID == 0 ]] || fail 'this takes root'
if "${buildah[@]}" inspect --type image "$name" >/dev/null 2>&1; then echo "$name"; exit; fi
[[ ${1:-} != --where ]] || fail 'there is no base image: `make image-base` makes one'
command -v mmdebstrap >/dev/null || fail "there is no mmdebstrap: install Debian's package"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
  bookworm "$work/base.tar"
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" add --quiet "$container" "$work/base.tar" / >/dev/null
"${buildah[@]}" run --isolation chroot "$container" ln -s python3 /usr/bin/python
"${buildah[@]}" commit --quiet --rm "$container" "$name" >/dev/null
echo "$name"
