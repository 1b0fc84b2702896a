#!/usr/bin/env bash
# Installs what a make target needs, at pinned versions, into .tools/ and node_modules/. Installed parts are not installed again.
#   tools/setup.sh worker    Rust's wasm target and the source of its standard library, wasm-bindgen, npm packages
#   tools/setup.sh release   Rust's target for WASI, cargo-cyclonedx
#   tools/setup.sh lint      rustfmt and clippy
#   tools/setup.sh spelling  codespell
#   tools/setup.sh lnbits    LNbits, in a virtual environment
#   tools/setup.sh peers     other implementations to test against, and an LNbits that exposes preimages
#   tools/setup.sh lightning_toll   of these, only lightning-toll
#   tools/setup.sh browser   Chromium, if none is installed; its path is in .tools/chromium
#   tools/setup.sh fuzz      cargo-fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

wasm_bindgen_version=0.2.129
cargo_cyclonedx_version=0.5.9
cargo_fuzz_version=0.13.2

main() {
  mkdir -p .tools/log
  lock setup
  for part in "$@"; do
    "setup_$part"
  done
}

setup_worker() {
  need_rust
  need_node
  component target wasm32-unknown-unknown
  component component rust-src
  if [ ! -d node_modules ] || ! installed npm "$(cksum <package-lock.json)"; then
    step "npm packages: wrangler, workerd, wasm-opt, esbuild (300 MB)" npm ci --no-progress --loglevel=error
    note_installed npm "$(cksum <package-lock.json)"
  fi
  crate wasm-bindgen-cli "$wasm_bindgen_version" "about a minute" --bin wasm-bindgen
  rm -rf .tools/cargo
}

setup_release() {
  need_rust
  component target wasm32-wasip1
  crate cargo-cyclonedx "$cargo_cyclonedx_version" "about a minute"
  rm -rf .tools/cargo
}

setup_lint() {
  need_rust
  component component clippy
  component component rustfmt
}

setup_spelling() {
  venv codespell "codespell 2.4.3"
}

setup_lnbits() {
  venv lnbits "LNbits 1.6.2 (about a minute)"
}

setup_peers() {
  setup_lightning_toll
  venv l402-requests "l402-requests 0.9.0, a client to test with"
  venv oracles "libraries that read metrics and signed callbacks, to test against"
  venv http-signatures "http-message-signatures 3.0.0, which verifies signed requests, to test against"
  venv mcp "mcp 2.3.0, a client of agents to test with"
  venv lnbits-1.5.5 "LNbits 1.5.5, which exposes preimages (about a minute)"
}

setup_lightning_toll() {
  venv lightning-toll "lightning-toll 0.1.1, to test against and to compare with"
}

setup_browser() {
  [ -x "$(cat .tools/chromium 2>/dev/null)" ] && return
  note_browser && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    step "Debian's chromium" bash -c 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium' || true
    note_browser && return
  fi
  need_node
  export PLAYWRIGHT_BROWSERS_PATH=$PWD/.tools/browsers
  step "Playwright's Chromium (150 MB)" node_modules/.bin/node node_modules/playwright-core/cli.js install chromium-headless-shell || true
  note_browser || fail "Chromium is missing: install it (Debian: apt install chromium), or set CHROMIUM=/path/to/chromium"
}

# Writes the path of the first browser that starts to .tools/chromium.
note_browser() {
  local found
  for found in "${CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome \
    .tools/browsers/*/*/headless_shell .tools/browsers/*/*/chrome-headless-shell; do
    found=$(command -v "$found") && "$found" --version >/dev/null 2>&1 && realpath "$found" >.tools/chromium && return
  done
  return 1
}

setup_fuzz() {
  need_rust
  command -v c++ >/dev/null || fail "a C++ compiler is missing: install one (Debian: apt install build-essential)"
  crate cargo-fuzz "$cargo_fuzz_version" "half a minute"
  rm -rf .tools/cargo
}

need_rust() {
  command -v rustup >/dev/null || fail "rustup is missing: install Rust from https://rustup.rs"
  command -v cc >/dev/null || fail "a C compiler is missing: install one (Debian: apt install build-essential)"
  rustup which cargo >/dev/null 2>&1 || step "the Rust toolchain of rust-toolchain.toml" rustup toolchain install
}

need_node() {
  local found
  found=$(node --version 2>/dev/null) || fail "Node is missing: install Node 20 or newer from https://nodejs.org"
  found=${found#v}
  [ "${found%%.*}" -ge 20 ] || fail "Node $found is too old: install Node 20 or newer from https://nodejs.org"
  command -v npm >/dev/null || fail "npm is missing: it comes with Node from https://nodejs.org"
}

# venv NAME TEXT: creates the virtual environment .tools/NAME with the packages of tools/NAME-requirements.txt.
venv() {
  local name=$1 list=tools/$1-requirements.txt wanted python
  wanted=$(cksum <"$list")
  installed "$name" "$wanted" && return
  python=$(find_python) || fail "$2 needs Python 3.10, 3.11 or 3.12 with venv: install it (Debian: apt install python3 python3-venv), or set PYTHON=/path/to/python"
  rm -rf ".tools/$name"
  step "a virtual environment for $name" "$python" -m venv ".tools/$name"
  step "$2" ".tools/$name/bin/pip" install --disable-pip-version-check -r "$list"
  note_installed "$name" "$wanted"
}

find_python() {
  local python
  for python in ${PYTHON:-} python3.12 python3.11 python3.10 python3; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && echo "$python" && return
  done
  return 1
}

# component KIND NAME: adds a rustup target or component if it is missing.
component() {
  rustup "$1" list --installed | grep -q "^$2" || step "rustup $1 add $2" rustup "$1" add "$2"
}

# crate NAME VERSION HOW_LONG [OPTION ...]: builds a crate's command from source. All crates share one target folder, .tools/cargo.
crate() {
  local name=$1 version=$2 how_long=$3
  shift 3
  installed "$name" "$version" && return
  CARGO_TARGET_DIR=$PWD/.tools/cargo step "$name $version ($how_long)" \
    cargo install "$name" --version "$version" --locked --debug --force --root .tools "$@"
  note_installed "$name" "$version"
}

installed() { [ "$(cat ".tools/installed/$1" 2>/dev/null)" = "$2" ]; }
note_installed() { mkdir -p .tools/installed && echo "$2" >".tools/installed/$1"; }

# step TEXT COMMAND ...: runs a command with a progress line, and prints its output only if it fails.
step() {
  local text=$1 log started=$SECONDS last=0
  shift
  log=.tools/log/$(echo "$text" | tr -c 'a-zA-Z0-9\n' - | cut -c1-40).log
  background "$@" >"$log" 2>&1
  while kill -0 "$running" 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r  installing %s … %ss' "$text" $((SECONDS - started))
    elif [ $((SECONDS - started)) -ge $((last + 15)) ]; then
      last=$((SECONDS - started))
      echo "  installing $text … ${last}s"
    fi
    sleep 0.5
  done
  if wait "$running"; then
    [ -t 1 ] && printf '\r'
    echo "  installed $text in $((SECONDS - started))s        "
  else
    echo
    tail -n 30 "$log" >&2
    running=
    echo "edgetoll: could not install $text (see the whole output in $log)" >&2
    return 1
  fi
  running=
}

fail() {
  echo "edgetoll: $*" >&2
  exit 1
}

main "$@"
