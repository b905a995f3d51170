#!/bin/sh
# Starts this node-agent under the Node that ~/.config/ccli/node names, else the one on PATH.
set -u
unset CDPATH

self=$0
while [ -h "$self" ]; do
  target=$(readlink "$self") || exit 127
  case $target in
    /*) self=$target ;;
    *) self=$(dirname -- "$self")/$target ;;
  esac
done
# Without links: what runs keeps to its own version when `current` is pointed elsewhere.
root=$(cd -P -- "$(dirname -- "$self")/.." && pwd -P) || exit 127

choice=${HOME:-}/.config/ccli/node
if [ -r "$choice" ]; then
  node=
  IFS= read -r node <"$choice" || [ -n "$node" ]
  if [ ! -x "$node" ] || [ -d "$node" ]; then
    printf 'ccli: %s names a Node that is not there: %s\n' "$choice" "$node" >&2
    printf 'Install it again, write the path of another one into that file, or run `ccli bootstrap` for this host.\n' >&2
    exit 127
  fi
elif ! node=$(command -v node); then
  printf 'ccli: no Node found: none is named in %s, and PATH has no `node`.\n' "$choice" >&2
  printf 'Install Node 20.19 or newer, then write its absolute path into that file.\n' >&2
  exit 127
fi
exec "$node" "$root/lib/node-agent/program.mjs" "$@"
