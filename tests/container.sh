#!/usr/bin/env bash
# Builds the image without a container engine, and runs what is in it. As root, with buildah and debootstrap (Debian).
#
# What it shows: Dockerfile passes hadolint (when that is on the PATH or in .venv) and builds step by step; the result
# runs as user 10001 with no way to the network, on a read-only root with one writable volume and a tmpfs on /tmp; the
# bill of materials lists what is installed and nothing else; the demo plays a sales period there; handoff docs writes
# its PDFs with the image's own fonts; the health check command is green while the daemon runs and red when it does not;
# SIGTERM ends it with 0; no pip and no compiler is left in it.
#
# What it does NOT show: the real base image (a debootstrapped Debian bookworm stands in for python:3.11-slim-bookworm),
# a real engine (chroot and namespaces stand in for it: no cgroups, no seccomp, no cap_drop), and compose.yaml being run.
#
#   tests/container.sh
#   PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm tests/container.sh     with the real base, where it can be had
#   BUILD_OPTIONS="--volume /etc/pip.conf:/etc/pip.conf:ro" tests/container.sh      what pip needs on this machine
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in buildah unshare ip chroot debootstrap; do
  command -v "$tool" > /dev/null || { echo "This needs $tool: apt-get install buildah debootstrap util-linux iproute2" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "This needs root, to mount and to enter the image." >&2; exit 1; }

work="$(mktemp -d)"
buildah=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)
cleanup() {
  "${buildah[@]}" umount --all > /dev/null 2>&1 || true
  "${buildah[@]}" rm --all > /dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '\n== %s\n' "$*"; }

say "Lint"
hadolint="$(command -v hadolint || echo .venv/bin/hadolint)"
if [ -x "$hadolint" ]; then "$hadolint" Dockerfile && echo "hadolint: nothing to say"; else echo "hadolint is not here: not linted"; fi

pull=--pull
if [ -z "${PYTHON_IMAGE:-}" ]; then
  say "A stand-in for the base image"
  pull=--pull-never
  PYTHON_IMAGE=localhost/stand-in
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" > "$work/debootstrap.log" 2>&1 \
    || { tail -20 "$work/debootstrap.log" >&2; exit 1; }
  ln -s python3 "$work/base/usr/bin/python"
  base="$("${buildah[@]}" from scratch)"
  "${buildah[@]}" copy --quiet "$base" "$work/base" / > /dev/null
  "${buildah[@]}" commit --quiet --format docker "$base" "$PYTHON_IMAGE" > /dev/null
  rm -rf "$work/base"
  echo "Debian bookworm with $(chroot "$("${buildah[@]}" mount "$base")" python --version)"
fi

say "Build"
# BUILD_OPTIONS holds several words on purpose.
# shellcheck disable=SC2086
"${buildah[@]}" bud --isolation chroot $pull --build-arg "PYTHON_IMAGE=$PYTHON_IMAGE" --format docker ${BUILD_OPTIONS:-} \
  --tag localhost/handoff . > "$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; exit 1; }
grep -oE 'STEP [0-9]+/[0-9]+: [A-Z]+' "$work/build.log" | tail -1
echo "user $("${buildah[@]}" inspect --type image --format '{{.Docker.Config.User}}' localhost/handoff)"

container="$("${buildah[@]}" from --pull-never localhost/handoff)"
root="$("${buildah[@]}" mount "$container")"
mkdir -p "$root/proc" "$work/volume"
chown 10001:10001 "$work/volume"

# One command in the image as it is meant to run: its user, root read-only, one volume, no network but loopback.
inside() {
  ROOT="$root" VOLUME="$work/volume" unshare --mount --net --pid --fork --kill-child bash -euc '
    ip link set lo up
    mount --bind "$ROOT" "$ROOT"
    mount -o remount,bind,ro "$ROOT"
    mount --bind "$VOLUME" "$ROOT/var/lib/handoff"
    mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
    mount -t proc proc "$ROOT/proc"
    exec chroot --userspec=10001:10001 "$ROOT" /usr/bin/env -i PATH=/opt/handoff/bin:/usr/local/bin:/usr/bin:/bin \
      PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 COLUMNS=100 /bin/sh -euc "cd /var/lib/handoff; $1"
  ' inside "$1"
}

say "What is in it"
inside 'echo "user $(id -u), group $(id -g)"; handoff --help > /dev/null; echo "handoff --help: fine"'
inside 'for file in /x /opt/handoff/x /etc/x; do if touch $file 2> /dev/null; then echo "$file can be written" >&2; exit 1; fi; done
  touch /tmp/x /var/lib/handoff/x; echo "only /tmp and the volume can be written"'
inside 'for tool in pip pip3 gcc cc c++ make ld; do if command -v $tool; then echo "$tool is in the image" >&2; exit 1; fi; done
  if python -m pip --version 2> /dev/null; then exit 1; fi; echo "no pip, no compiler"'

say "The bill of materials"
"${buildah[@]}" inspect --type image --format '{{index .Docker.Config.Labels "handoff.sbom"}}' localhost/handoff
cat > "$work/volume/bill.py" << 'PROGRAM'
"""Holds the image's bill of materials against what is installed in it."""
import importlib.metadata, json, re
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
made = json.load(open("/usr/share/doc/handoff/sbom.cdx.json"))
listed = {(plain(each["name"]), each["version"]) for each in made["components"] if each["scope"] == "required"}
# venv brings setuptools along up to Python 3.11; no package of the lock needs it.
there = {(plain(each.metadata["Name"]), each.version) for each in importlib.metadata.distributions()}
there = {each for each in there if each[0] != "setuptools" or each in listed}
assert listed == there, f"listed only: {sorted(listed - there)}; installed only: {sorted(there - listed)}"
print(f"{len(listed)} packages: listed and installed alike, {len(made['components']) - len(listed)} for other systems")
PROGRAM
inside 'python bill.py'

say "A sales period in it"
inside 'handoff demo --headless --deals 10 --seed 7 --json --folder period > /tmp/report.json; tail -7 /tmp/report.json'

say "Documents as PDF"
inside 'mappings="$(python -c "import connector; print(connector.__path__[0])")/mappings"
  printf "mappings = \"%s\"\n[[systems]]\nname = \"sf\"\nvendor = \"salesforce\"\n" "$mappings" > docs.toml
  handoff docs --config docs.toml --format pdf --out papers > /dev/null; ls papers | wc -l; head -c 8 papers/faq.pdf'

say "Health check and SIGTERM"
"${buildah[@]}" inspect --type image localhost/handoff > "$work/volume/image.json"
cat > "$work/volume/health.py" << 'PROGRAM'
"""Runs the image's own health check command and ends as it does."""
import json, subprocess, sys
kind, *command = json.load(open("image.json"))["Docker"]["config"]["Healthcheck"]["Test"]
assert kind == "CMD", kind
sys.exit(subprocess.run(command, stderr=subprocess.DEVNULL).returncode)
PROGRAM
inside '
  if python health.py; then echo "green without a daemon" >&2; exit 1; fi; echo "red while nothing runs"
  handoff demo --folder demo > demo.out 2>&1 & demo=$!
  for _ in $(seq 120); do if grep -q Ready demo.out || ! kill -0 $demo; then break; fi; sleep 0.5; done
  python health.py || { cat demo.out; echo "red while the daemon runs" >&2; exit 1; }
  echo "green while the daemon runs"
  kill -TERM $demo; wait $demo; echo "SIGTERM: ended with 0"'

say "Everything above holds."
