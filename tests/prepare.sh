#!/usr/bin/env bash
# What the tests need beside Python: a Chromium for the browser tests. PostgreSQL comes from the system or a wheel.
set -euo pipefail
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium for the browser tests ..."
  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "The browser tests need Chromium on the PATH. Install it, or leave them out: make test ARGS='-m \"not e2e\"'" >&2
  exit 1
fi
