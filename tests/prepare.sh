#!/usr/bin/env bash
# What the tests need beside Python: a Chromium for the browser tests. PostgreSQL comes from the system or a wheel.
set -euo pipefail

have_chromium() {
  command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null
}

if ! have_chromium && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  echo "Installing Chromium for the browser tests ..."
  apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null
fi
if ! have_chromium; then
  echo "The browser tests need Chromium on the PATH. Install it, or leave them out: make test ARGS='-m \"not e2e\"'" >&2
  # Asked to leave them out: fine without.
  case "${ARGS:-}" in *"not e2e"*) exit 0 ;; *) exit 1 ;; esac
fi
