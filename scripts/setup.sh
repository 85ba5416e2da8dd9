# Sourced by the other scripts: what they share. Installs Debian packages if they are missing, builds.
#   . scripts/setup.sh; need_packages gcc make; build build all
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_packages=(gcc g++ libc6-dev make cmake pkg-config flex bison libfl-dev libjansson-dev zlib1g-dev
                libmatio-dev libjpeg62-turbo-dev libarchive-dev)

say() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

has_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }

# need_packages NAME...: without a question, and without the network if all are there.
need_packages() {
  local missing=() name
  if ! command -v apt-get >/dev/null; then
    echo "no apt-get here; these Debian packages (or their like) are needed: $*" >&2
    return 0
  fi
  for name in "$@"; do has_package "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# build FOLDER TARGET [cmake option...]
build() {
  local folder=$root/$1 target=$2
  shift 2
  cmake -S "$root" -B "$folder" "$@" >/dev/null
  cmake --build "$folder" --target "$target" -j "$(nproc)"
}
