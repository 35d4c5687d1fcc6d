# Sourced by ./run and ./test: finds the tools they need, and installs by name what is missing.
#
# Everything comes from the registries of crates, PyPI, npm and Debian; nothing is fetched as a prebuilt archive from elsewhere.
# Tools live in $RAREMAP_CACHE, so that a second clone on the same machine finds them. Each `need_` function returns
# non-zero, with a sentence that says what to do, where it cannot install.

TRUNK_VERSION=0.21.14
NEXTEST_VERSION=0.9.143
# The command and the library of wasm-bindgen must be of one version.
WASM_BINDGEN_VERSION=$(sed -n 's/^wasm-bindgen = "=\(.*\)"$/\1/p' Cargo.toml)

RAREMAP_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/raremap
RAREMAP_TOOLS=$RAREMAP_CACHE/tools
PATH=$RAREMAP_TOOLS/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
export PATH

say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
missing() { say "missing: $1. To get it: $2" >&2; return 1; }

need_apt() { # COMMAND PACKAGE
  have "$1" && return
  if ! have apt-get || [ "$(id -u)" != 0 ]; then
    missing "$1" "apt-get install $2 (as root), or your system's package of that name"
    return
  fi
  say "installing $2 (Debian)"
  # One at a time: apt-get does not wait for another one.
  (
    flock 9
    apt_install "$2" 2>/dev/null || { apt-get update >/dev/null && apt_install "$2"; }
  ) 9>"${TMPDIR:-/tmp}/raremap-apt.lock"
}
apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >/dev/null; }

need_rust() {
  have rustup || { missing rustup "https://rustup.rs (apt-get install rustup on Debian 13)"; return; }
  # Reading the version makes rustup fetch what rust-toolchain.toml names; components of an older install are added by hand.
  rustc --version >/dev/null || return
  rustup component list --installed | grep -q '^clippy' && rustup component list --installed | grep -q '^rustfmt' ||
    { say "installing rustfmt and clippy (rustup)"; rustup component add rustfmt clippy; } || return
  rustup target list --installed | grep -q '^wasm32-unknown-unknown$' ||
    { say "installing the wasm32-unknown-unknown target (rustup)"; rustup target add wasm32-unknown-unknown; }
}

# Builds a command from crates.io in the cheapest profile: it runs for seconds, an optimized build of it takes minutes.
install_crate() { # NAME VERSION OPTIONS...
  local name=$1 version=$2 began=$SECONDS
  shift 2
  say "installing $name $version (crates.io); this takes some minutes"
  (
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    CARGO_TARGET_DIR=$build CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG=0 \
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_PANIC=abort CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback \
      cargo install --quiet --root "$RAREMAP_TOOLS" "$name@$version" "$@"
  ) && say "$name is installed, after $((SECONDS - began)) s"
}

has_version() { # VERSION COMMAND...
  local version=$1
  shift
  "$@" --version 2>/dev/null | grep -qwF -- "$version"
}

# What reads and writes wasm is optimized a little: it works on all of the page's.
WASM_CRATES=(walrus wasmparser wasm-encoder wasm-bindgen-cli-support id-arena)

need_trunk() {
  # Without --locked: the lock file that wasm-bindgen-cli ships names a version that was withdrawn.
  has_version "$WASM_BINDGEN_VERSION" wasm-bindgen ||
    install_crate wasm-bindgen-cli "$WASM_BINDGEN_VERSION" --no-default-features --bin wasm-bindgen \
      $(printf -- '--config profile.release.package.%s.opt-level=1 ' "${WASM_CRATES[@]}") || return
  has_version "$TRUNK_VERSION" trunk || install_crate trunk "$TRUNK_VERSION" --locked --no-default-features
}

need_nextest() {
  cargo nextest --version >/dev/null 2>&1 || install_crate cargo-nextest "$NEXTEST_VERSION" --locked
}

# The npm packages of a folder: of tests/browser (playwright-core, axe-core, typescript, oxlint), of tests/package (bundlers, map libraries), or of
# tests/bench (onnxruntime-web, Dawn).
need_npm() { # [FOLDER]
  local folder=${1:-tests/browser}
  local marker=$folder/node_modules/.installed
  need_apt node nodejs && need_apt npm npm || return
  cmp -s "$folder/package-lock.json" "$marker" && return
  say "installing the packages of $folder (npm)"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && cp "$folder/package-lock.json" "$marker"
}

npm_bin() { # COMMAND ARGUMENTS...
  "tests/browser/node_modules/.bin/$1" "${@:2}"
}

need_chromium() {
  [ -n "${CHROMIUM:-}" ] || CHROMIUM=$(command -v chromium || command -v google-chrome || command -v chromium-browser)
  [ -n "$CHROMIUM" ] || { need_apt chromium chromium && CHROMIUM=$(command -v chromium); } || return
  export CHROMIUM
}

# Sets RAREMAP_PYTHON, which tests also read, to an interpreter with the packages of tests/requirements.txt if there is one.
find_python() {
  local venv=$RAREMAP_CACHE/py
  [ -z "${RAREMAP_PYTHON:-}" ] || return 0
  cmp -s tests/requirements.txt "$venv/.installed" && export RAREMAP_PYTHON=$venv/bin/python
}

need_venv() { # FOLDER
  need_apt python3 python3 || return
  [ ! -x "$1/bin/pip" ] || return 0
  python3 -m venv "$1" 2>/dev/null || { need_apt python3-venv python3-venv && python3 -m venv "$1"; } ||
    missing "python3's venv" "apt-get install python3-venv (as root)"
}

need_python() {
  local venv=$RAREMAP_CACHE/py
  find_python && return
  need_venv "$venv" || return
  say "installing $(grep -v '^#' tests/requirements.txt | tr '\n' ' ')(PyPI); this takes some minutes"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt &&
    cp tests/requirements.txt "$venv/.installed" && export RAREMAP_PYTHON=$venv/bin/python
}

# Sets RAREMAP_PYTHON_PACKAGE to the folder of an interpreter with the packages of tests/python/requirements.txt.
need_python_package() {
  local venv=$RAREMAP_CACHE/python-package wanted=tests/python/requirements.txt
  export RAREMAP_PYTHON_PACKAGE=$venv/bin
  cmp -s "$wanted" "$venv/.installed" && return
  need_venv "$venv" || return
  say "installing $(grep -v '^#' "$wanted" | tr '\n' ' ')(PyPI)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" && cp "$wanted" "$venv/.installed"
}

# Sets BENCH_PYTHON to an interpreter with the packages of tests/bench/requirements.txt, unless it names one already.
need_bench_python() {
  local venv=$RAREMAP_CACHE/bench wanted=tests/bench/requirements.txt
  [ -z "${BENCH_PYTHON:-}" ] || return 0
  if ! cmp -s "$wanted" "$venv/.installed"; then
    need_venv "$venv" || return
    say "installing $(grep -v '^#' "$wanted" | tr '\n' ' ')(PyPI)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" && cp "$wanted" "$venv/.installed" || return
  fi
  export BENCH_PYTHON=$venv/bin/python
}
