# Shared by the commands in bin: finds a Python, and keeps a virtual environment in sync with its lock file.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

# The first Python that is new enough. `command -v` alone would also find a broken shim.
find_python() {
  local name version found=""
  for name in python3 python3.13 python3.12 python3.11; do
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    found="${found:+$found, }$name is $version"
    if [ "${version%%.*}" -eq 3 ] && [ "${version#*.}" -ge 11 ]; then
      command -v "$name"
      return
    fi
  done
  fail "EZ-DMS needs Python 3.11 or newer; ${found:-there is no python3} here. On Debian 12 or newer: apt install python3 python3-venv"
}

# check_platform PYTHON: the lock files have wheels for these platforms only (bin/wheels). Elsewhere, say what works.
check_platform() {
  local system machine here="Linux on x86_64 or aarch64, and macOS"
  system=$(uname -s) machine=$(uname -m)
  case "$system $machine" in
    "Linux x86_64" | "Linux aarch64" | "Linux arm64" | "Darwin arm64" | "Darwin x86_64") ;;
    MINGW* | MSYS* | CYGWIN*)
      fail "EZ-DMS does not run on Windows itself. It runs in WSL (wsl --install), where you start it the same way, and in Docker (docs/self-hosting.md)." ;;
    "Linux arm"* | "Linux i"?86)
      fail "EZ-DMS needs a 64-bit system, and this one has 32 bits ($machine); Docker does not change that. A Raspberry Pi 3 or newer can run the 64-bit Raspberry Pi OS." ;;
    *) fail "EZ-DMS has no packages for $system on $machine. It runs on $here; a virtual machine with Linux works, too." ;;
  esac
  "$1" -c 'import sys; sys.exit(sys.maxsize < 2**32)' ||
    fail "EZ-DMS needs a 64-bit Python, and $1 has 32 bits. If the whole system does, as Raspberry Pi OS may even with a 64-bit kernel, install the 64-bit edition."
}

# Install Debian packages if permitted, otherwise name them. Returns non-zero if they are still missing.
debian_packages() {
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "Missing: $*. On Debian, install it with: sudo apt install $*"
    return 1
  fi
  say "Installing $* …"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >/dev/null </dev/null || true
  apt-get -qq install -y --no-install-recommends "$@" >/dev/null </dev/null || { say "Debian could not install $*."; return 1; }
}

# debian_unpacked "PACKAGE …" FOLDER: unpack without installing. An installed nginx would start and use port 80.
debian_unpacked() {
  local package=$1 folder=$2 new deb
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    say "Missing: $package."
    return 1
  fi
  say "Fetching $package …"
  if [ "$(id -u)" -eq 0 ]; then apt-get -qq update >/dev/null </dev/null || true; fi
  new=$(mktemp -d "$folder.XXXXXX")
  if (cd "$new" && apt-get -qq download $package >/dev/null 2>&1 </dev/null && for deb in *.deb; do dpkg-deb -x "$deb" . || exit 1; done) &&
    mv -T "$new" "$folder"; then
    return
  fi
  rm -rf "$new"
  say "Debian could not fetch $package."
  return 1
}

stamp_of() { # what an environment was made from: the lock, the real Python behind its link, and its path, which scripts contain
  printf '%s %s %s\n' "$(sha256sum <"$2" | cut -c1-64)" "$(readlink -f "$1/bin/python")" "$1"
}

is_current() { # -x: the link may be broken after its Python was removed
  [ -x "$1/bin/python" ] && [ -f "$1/made-from" ] && [ "$(cat "$1/made-from")" = "$(stamp_of "$1" "$2")" ]
}

# Say why FOLDER cannot be set up here, and what works instead; return if it can.
check_writable() {
  local folder=$1 owner me why
  owner=$(ls -ld "$(dirname "$folder")" | awk '{print $3}') me=$(id -un 2>/dev/null || true) # prints the number of a user without a name, and fails
  if [ -w "$(dirname "$folder")" ] && { [ ! -e "$folder" ] || [ -w "$folder" ]; }; then
    if [ "$(id -u)" -eq 0 ] && [ "$owner" != root ]; then
      say "Note: $root belongs to $owner, who can change what you run as root. To prevent that: chown -R root:root '$root'"
    fi
    return
  fi
  if [ "$owner" = "$me" ]; then
    fail "EZ-DMS has to set up $folder, but you cannot write there. Copy the checkout to a folder that you can write to, such as: cp -R '$root' ~/ezdms"
  fi
  why="EZ-DMS has to set up $folder, but this checkout belongs to $owner, and you are $me."
  if [ -e "$folder" ] && [ ! -x "$folder/bin/python" ]; then
    why="EZ-DMS is set up in $folder, but you are $me, and cannot use it. If $owner wants to permit that: chmod -R go+rX '$folder'."
  fi
  fail "$why Run it once as $owner: sudo -u $owner '$root/bin/ezdms' --version. Or use a checkout of your own: cp -R '$root' ~/ezdms"
}

# environment FOLDER LOCK: make FOLDER match LOCK. The stamp is written last, so an incomplete one is never used.
environment() {
  local folder=$1 lock=$2 python
  if is_current "$folder" "$lock"; then return; fi
  check_writable "$folder"
  python=$(find_python)
  check_platform "$python"
  exec 9>"$folder.lock"
  if command -v flock >/dev/null; then flock 9; fi # if two start at once, the second waits, then finds it done
  if is_current "$folder" "$lock"; then exec 9>&-; return; fi
  say "Setting up EZ-DMS with Python $("$python" -c 'import platform; print(platform.python_version())') (once, under a minute) …"
  rm -rf "$folder"
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    debian_packages python3-venv || exit 1
  fi
  "$python" -m venv "$folder" || fail "Could not create a virtual environment in $folder."
  say "Installing dependencies …"
  env -u PIP_TARGET -u PIP_PREFIX -u PIP_USER "$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-input --no-compile \
    --only-binary :all: --require-hashes -r "$lock" </dev/null >&2 ||
    fail "Could not install the dependencies: see above. The first run needs an internet connection."
  stamp_of "$folder" "$lock" >"$folder/made-from"
  exec 9>&-
  say "Ready."
}
