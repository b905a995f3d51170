#!/bin/sh
# Installs the coordinator of a fleet and its NATS server on a host with systemd, from a checkout that was built or from the
# unpacked package. POSIX sh. What it does, and how to undo it: install.md.
# Text for people has code in `backticks`.
# shellcheck disable=SC2016
set -eu

usage() {
  cat <<'TEXT'
Usage: deploy/install.sh [options]

  (none)               install; where the same is installed already, mend what is missing
  --upgrade            put this version in place of the one installed; the old one stays for --rollback
  --rollback           go back to the version before
  --uninstall          remove programs and units; configuration, secrets and stores stay
  --purge              with --uninstall: remove those as well
  --dry-run            say what would be done, and do nothing

  --node PATH          the Node to run under, 20.19 or newer (default: the one on PATH)
  --nats-server PATH   the nats-server to run, 2.14 or newer (default: the one on PATH)
  --nats URL           use a NATS server that is there already, and install none
  -h, --help           this text

DESTDIR=DIR writes below DIR and starts nothing, for those who make packages.
TEXT
}

DESTDIR=${DESTDIR:-}
HOME_DIR=/opt/ccli
UNITS=/usr/local/lib/systemd/system
WAIT_S=60

mode=install
purge=no
dry=no
node=
nats_server=
nats_url=

say() { printf '%s\n' "$*"; }
complain() { printf 'install.sh: %s\n' "$*" >&2; }
fail() {
  complain "$1"
  exit "${2:-1}"
}

while [ $# -gt 0 ]; do
  case $1 in
    --upgrade) mode=upgrade ;;
    --rollback) mode=rollback ;;
    --uninstall) mode=uninstall ;;
    --purge) purge=yes ;;
    --dry-run) dry=yes ;;
    --node | --nats-server | --nats)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $1 in
        --node) node=$2 ;;
        --nats-server) nats_server=$2 ;;
        --nats) nats_url=$2 ;;
      esac
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1; see --help" 2 ;;
  esac
  shift
done

# Alone it would install, which nobody means by it.
[ "$purge" = no ] || [ "$mode" = uninstall ] || fail '--purge goes with --uninstall' 2

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source_dir=$(dirname -- "$here")
# Nothing is started, and no users are made, in somebody's package.
live=yes
[ -z "$DESTDIR" ] || live=no

# --- doing, or only saying so -------------------------------------------------------------------------------------------

run() {
  if [ "$dry" = yes ]; then
    say "  would run: $*"
  else
    "$@"
  fi
}

# One or two units, and so words.
# shellcheck disable=SC2086
services_do() { systemctl "$@" $services; }

systemctl_do() { [ "$live" = no ] || run systemctl "$@"; }

# --- what is undone when a step fails -------------------------------------------------------------------------------------

work=
journal=
count=0
switched=no
done_well=no

# remember PATH: how it was before
remember() {
  [ "$dry" = no ] || return 0
  count=$((count + 1))
  if [ -e "$DESTDIR$1" ] || [ -L "$DESTDIR$1" ]; then
    cp -a -- "$DESTDIR$1" "$work/$count"
    journal="restore $count $1
$journal"
  else
    journal="remove $count $1
$journal"
  fi
}

# Those of a first installation; the stores of an earlier one, which was removed and left them, stay.
OURS_DIRECTORIES='/etc/ccli/credentials /etc/ccli /var/lib/ccli /var/lib/ccli-nats /usr/local/lib/systemd/system
  /usr/local/lib/systemd /usr/local/lib/sysusers.d /usr/local/lib/tmpfiles.d /opt/ccli/bin /opt/ccli'
OURS_USERS='ccli ccli-nats'

remember_absent() {
  absent=
  for directory in $OURS_DIRECTORIES; do
    [ -e "$DESTDIR$directory" ] || absent="$absent $directory"
  done
  absent_users=
  [ "$live" = yes ] || return 0
  for user in $OURS_USERS; do
    getent passwd "$user" >/dev/null || absent_users="$absent_users $user"
  done
}

undo_absent() {
  for directory in $absent; do
    case $directory in
      /var/lib/*) rm -rf -- "$DESTDIR$directory" ;;
      *) rmdir -- "$DESTDIR$directory" 2>/dev/null || true ;;
    esac
  done
  for user in $absent_users; do
    userdel "$user" 2>/dev/null || true
  done
}

undo() {
  complain 'putting everything back as it was'
  if [ "$live" = yes ] && [ "$was_there" = no ]; then
    systemctl disable --now ccli-coordinator.service ccli-nats-server.service >/dev/null 2>&1 || true
  fi
  printf '%s' "$journal" | while read -r what number path; do
    rm -rf -- "$DESTDIR$path" "$DESTDIR$path.new"
    [ "$what" = remove ] || cp -a -- "$work/$number" "$DESTDIR$path"
  done
  [ -z "${stage:-}" ] || rm -rf -- "$stage"
  [ "$was_there" = yes ] || undo_absent
  [ "$live" = yes ] || return 0
  systemctl daemon-reload || true
  if [ "$was_there" = no ]; then
    # A unit that failed is remembered, although it is gone.
    systemctl reset-failed ccli-coordinator.service ccli-nats-server.service >/dev/null 2>&1 || true
  fi
  if [ "$was_there" = yes ] && [ "$switched" = yes ]; then
    services_do restart >/dev/null 2>&1 || complain 'the old version does not start either; see journalctl -u ccli-coordinator'
  fi
}

finish() {
  code=$?
  trap - EXIT HUP INT TERM
  [ "$done_well" = yes ] || [ -z "$work" ] || [ "$dry" = yes ] || undo
  [ -z "$work" ] || rm -rf -- "$work"
  [ -z "${stage:-}" ] || rm -rf -- "$stage"
  exit "$code"
}

# put MODE SOURCE PLACE: a file, unless it is there as it should be
put() {
  if cmp -s -- "$2" "$DESTDIR$3"; then
    return 0
  fi
  say "writing $3"
  changed=yes
  [ "$dry" = no ] || return 0
  remember "$3"
  mkdir -p -- "$(dirname -- "$DESTDIR$3")"
  cp -- "$2" "$DESTDIR$3.new"
  chmod "$1" "$DESTDIR$3.new"
  mv -f -- "$DESTDIR$3.new" "$DESTDIR$3"
}

# put_once MODE SOURCE PLACE: a file that belongs to the operator from then on
put_once() {
  if [ -e "$DESTDIR$3" ]; then
    return 0
  fi
  put "$@"
}

# link TARGET PLACE, atomically
link() {
  [ "$(readlink -- "$DESTDIR$2" 2>/dev/null || true)" != "$1" ] || return 0
  say "$2 -> $1"
  changed=yes
  [ "$dry" = no ] || return 0
  remember "$2"
  ln -sfn -- "$1" "$DESTDIR$2.new"
  mv -fT -- "$DESTDIR$2.new" "$DESTDIR$2"
}

# --- checks -----------------------------------------------------------------------------------------------------------------

# at_least WANTED FOUND: of two versions
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

check_host() {
  [ "$live" = yes ] || return 0
  [ "$(uname -s)" = Linux ] || fail 'this is for Linux with systemd; elsewhere use `ccli up`' 7
  [ "$(id -u)" -eq 0 ] || [ "$dry" = yes ] || fail 'run it as root: sudo deploy/install.sh' 7
  [ -d /run/systemd/system ] || [ "$dry" = yes ] || fail 'systemd does not run this host; start the daemons in another way, see install.md' 7
  command -v systemd-notify >/dev/null || fail 'systemd-notify is missing; it comes with the package systemd' 7
}

# What an earlier run has put there, and which goes on unless another is named.
installed() { [ -x "$DESTDIR$HOME_DIR/bin/$1" ] && printf '%s\n' "$DESTDIR$HOME_DIR/bin/$1"; }

check_node() {
  [ -n "$node" ] || node=$(installed node) || node=$(command -v node) ||
    fail 'there is no Node here; install 20.19 or newer (https://nodejs.org/en/download), or name one with --node PATH' 7
  node_version=$("$node" -p process.versions.node 2>/dev/null) || fail "$node is no Node that runs here" 7
  at_least 20.19 "$node_version" || fail "$node is Node $node_version; 20.19 is the oldest that works. Name another with --node PATH" 7
}

check_nats_server() {
  [ -z "$nats_url" ] || return 0
  [ -n "$nats_server" ] || nats_server=$(installed nats-server) || nats_server=$(command -v nats-server) || fail 'there is no nats-server here. Install 2.14 or newer,
  from https://nats.io/download into /usr/local/bin, or with Go: GOBIN=/usr/local/bin go install github.com/nats-io/nats-server/v2@latest
  Then repeat this, or name one with --nats-server PATH. A server elsewhere: --nats nats://HOST:4222' 7
  nats_version=$("$nats_server" --version 2>/dev/null | sed -n 's/^nats-server: v//p')
  [ -n "$nats_version" ] || fail "$nats_server is no nats-server that runs here" 7
  at_least 2.14 "$nats_version" ||
    fail "$nats_server is version $nats_version, which can lose accepted tasks at a power cut; 2.14 is the oldest to rely on, see https://nats.io/download" 7
  [ "$live" = yes ] && ! systemctl is-active --quiet ccli-nats-server.service || return 0
  if "$node" -e 'require("net").connect(4222, "127.0.0.1").on("connect", () => process.exit(0)).on("error", () => process.exit(1))'; then
    fail 'something else listens at 127.0.0.1:4222 already. Stop it, or use it: --nats nats://127.0.0.1:4222' 7
  fi
}

check_source() {
  [ -f "$source_dir/dist/coordinator/main.js" ] ||
    fail "$source_dir is not built; run \`npm ci && npm run build\` there first, as an ordinary user" 7
  version=$("$node" -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).version' "$source_dir/package.json")
}

# --- programs ---------------------------------------------------------------------------------------------------------------

# The packages that are needed to run it, one path a line, out of those that are there.
needed_packages() {
  "$node" -e '
    const { packages } = JSON.parse(require("fs").readFileSync(process.argv[1]));
    for (const [path, { dev, devOptional }] of Object.entries(packages))
      if (!dev && !devOptional) console.log(path);
  ' "$source_dir/node_modules/.package-lock.json"
}

stage_version() {
  stage=$(mktemp -d "$DESTDIR$HOME_DIR/.stage.XXXXXX")
  (cd "$source_dir" && tar -cf - --exclude=dist/test --exclude='dist/.*' \
    package.json LICENSE dist deploy) | tar -xf - -C "$stage" --no-same-owner
  if [ -f "$source_dir/node_modules/.package-lock.json" ]; then
    # A package may hold others, of which not all are needed: each is taken without what is below it.
    needed_packages | while read -r path; do
      [ -d "$source_dir/$path" ] || continue
      (cd "$source_dir" && tar -cf - --exclude="$path/node_modules" "$path") | tar -xf - -C "$stage" --no-same-owner
    done
  else
    for file in package-lock.json .npmrc; do
      [ ! -f "$source_dir/$file" ] || cp -- "$source_dir/$file" "$stage/"
    done
    (cd "$stage" && PATH=$(dirname -- "$node"):$PATH npm install --omit=dev --ignore-scripts --no-progress --loglevel=error) ||
      fail 'npm could not fetch the packages; look at its message above' 4
  fi
  chmod -R u=rwX,go=rX "$stage"
  digest=$(cd "$stage" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1)
  printf '%s\n' "$digest" >"$stage/.digest"
}

# Where the staged version belongs; one that is there with other contents keeps its place.
place_of_stage() {
  place=$version
  if [ -e "$DESTDIR$HOME_DIR/$place" ] && ! cmp -s "$stage/.digest" "$DESTDIR$HOME_DIR/$place/.digest"; then
    place=$version-$(printf %.8s "$digest")
  fi
}

current() { readlink -- "$DESTDIR$HOME_DIR/current" 2>/dev/null || true; }

install_version() {
  if [ "$dry" = yes ]; then
    say "  would copy ccli $version to $HOME_DIR/$version and point $HOME_DIR/current there"
    return 0
  fi
  stage_version
  place_of_stage
  before=$(current)
  if [ -n "$before" ] && [ "$before" != "$place" ] && [ "$mode" != upgrade ]; then
    fail "ccli $before is installed; repeat with --upgrade to put $place in its place" 2
  fi
  if [ ! -e "$DESTDIR$HOME_DIR/$place" ]; then
    say "copying ccli to $HOME_DIR/$place"
    remember "$HOME_DIR/$place"
    mv -- "$stage" "$DESTDIR$HOME_DIR/$place"
    stage=
  fi
  [ -z "$before" ] || [ "$before" = "$place" ] || link "$before" "$HOME_DIR/previous"
  link "$place" "$HOME_DIR/current"
}

# A program of the system is linked, so that its updates arrive; one in a home is out of the services' reach, and copied.
provide() {
  found=$(readlink -f -- "$1")
  [ "$found" != "$DESTDIR$HOME_DIR/bin/$2" ] || return 0
  case $found in
    /usr/* | /opt/* | /bin/*) link "$found" "$HOME_DIR/bin/$2" ;;
    *) put 755 "$found" "$HOME_DIR/bin/$2" ;;
  esac
}

install_programs() {
  run mkdir -p -- "$DESTDIR$HOME_DIR/bin"
  provide "$node" node
  cat >"$work/ccli" <<'TEXT'
#!/bin/sh
exec /opt/ccli/bin/node /opt/ccli/current/dist/coordinator/cli/main.js "$@"
TEXT
  put 755 "$work/ccli" /usr/local/bin/ccli
}

# --- configuration ------------------------------------------------------------------------------------------------------------

install_configuration() {
  put 644 "$here/sysusers.d/ccli.conf" /usr/local/lib/sysusers.d/ccli.conf
  put 644 "$here/tmpfiles.d/ccli.conf" /usr/local/lib/tmpfiles.d/ccli.conf
  if [ "$live" = yes ]; then
    run systemd-sysusers /usr/local/lib/sysusers.d/ccli.conf
    run systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/ccli.conf
  else
    run mkdir -p -- "$DESTDIR/etc/ccli"
  fi
  url=${nats_url:-nats://127.0.0.1:4222}
  # Of a server that is not ours, nobody here knows how it syncs.
  sync=true
  [ -z "$nats_url" ] || sync=false
  sed -e "s|^  url: .*|  url: $url|" -e "s|^  sync_always: .*|  sync_always: $sync|" \
    "$here/examples/coordinator.yaml" >"$work/coordinator.yaml"
  put_once 644 "$work/coordinator.yaml" /etc/ccli/coordinator.yaml
  printf '# Where `ccli` finds the fleet, for users without a ~/.config/ccli/config.yaml of their own.\nnats:\n  url: %s\n' \
    "$url" >"$work/config.yaml"
  put_once 644 "$work/config.yaml" /etc/ccli/config.yaml
}

install_nats_server() {
  [ -z "$nats_url" ] || return 0
  provide "$nats_server" nats-server
  sed 's|store_dir: .*|store_dir: /var/lib/ccli-nats|' "$here/nats/nats-server.conf" >"$work/nats-server.conf"
  if [ ! -e "$DESTDIR/etc/ccli/nats-server.conf" ]; then
    put 640 "$work/nats-server.conf" /etc/ccli/nats-server.conf
    # It may come to hold passwords.
    [ "$live" = no ] || run chgrp ccli-nats /etc/ccli/nats-server.conf
  fi
  put 644 "$here/systemd/ccli-nats-server.service" "$UNITS/ccli-nats-server.service"
}

install_units() {
  put 644 "$here/systemd/ccli-coordinator.service" "$UNITS/ccli-coordinator.service"
  # Older ones would complain about what they do not know.
  if [ "$live" = yes ] && at_least 254 "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"; then
    for service in $services; do
      put 644 "$here/systemd/drop-ins/backoff.conf" "$UNITS/$service.d/50-backoff.conf"
    done
  fi
}

# --- starting -----------------------------------------------------------------------------------------------------------------

status_text() { systemctl show --property=StatusText --value ccli-coordinator.service; }

wait_for_health() {
  waited=0
  while [ "$waited" -lt "$WAIT_S" ]; do
    case $(systemctl show --property=ActiveState --value ccli-coordinator.service):$(status_text) in
      active:serving*) return 0 ;;
      failed:*) break ;;
    esac
    sleep 1
    waited=$((waited + 1))
  done
  journalctl --no-pager --lines=20 --unit=ccli-coordinator.service --unit=ccli-nats-server.service >&2 || true
  fail "the coordinator is not up: $(status_text)" 1
}

start_services() {
  [ "$live" = yes ] || return 0
  if [ "$dry" = yes ]; then
    say "  would enable and start $services"
    return 0
  fi
  systemctl daemon-reload
  services_do enable --quiet
  if [ "$changed" = yes ]; then
    switched=yes
    say "starting $services"
    services_do restart || {
      journalctl --no-pager --lines=20 --unit=ccli-coordinator.service --unit=ccli-nats-server.service >&2 || true
      fail 'the services do not start' 1
    }
  else
    services_do start
  fi
  wait_for_health
}

# Whoever went two versions back would find it gone: the current one and the one before stay.
prune() {
  [ "$dry" = no ] || return 0
  keep="$(current) $(readlink -- "$DESTDIR$HOME_DIR/previous" 2>/dev/null || true)"
  for directory in "$DESTDIR$HOME_DIR"/*/; do
    name=$(basename -- "$directory")
    case " $keep current previous bin " in
      *" $name "*) ;;
      *) rm -rf -- "$directory" ;;
    esac
  done
}

tell_next() {
  if [ "$dry" = yes ]; then
    say 'nothing was changed'
    return 0
  fi
  [ "$live" = yes ] || return 0
  if [ "$changed" = yes ]; then
    say "ccli $version is up."
  else
    say "ccli $version is up; nothing had to be changed."
  fi
  cat <<'TEXT'

  ccli status                                how the fleet is doing
  ccli bootstrap HOST                        add a host, over SSH
  journalctl -u ccli-coordinator -f          what the coordinator says
  /etc/ccli/coordinator.yaml                 its settings; then: systemctl restart ccli-coordinator
  /etc/ccli/credentials/                     secrets, one file each: `credential:NAME` in the settings
TEXT
}

# --- the modes ------------------------------------------------------------------------------------------------------------------

prepare() {
  work=$(mktemp -d)
  trap finish EXIT
  trap 'exit 130' HUP INT TERM
  changed=no
  was_there=no
  [ ! -L "$DESTDIR$HOME_DIR/current" ] || was_there=yes
  services='ccli-nats-server.service ccli-coordinator.service'
  [ -z "$nats_url" ] || services=ccli-coordinator.service
  remember_absent
}

do_install() {
  check_host
  check_node
  check_source
  # How it was installed says how it is upgraded.
  if [ "$mode" = upgrade ]; then
    [ -L "$DESTDIR$HOME_DIR/current" ] || fail 'ccli is not installed here; leave out --upgrade' 2
  fi
  if [ -z "$nats_url" ] && [ -L "$DESTDIR$HOME_DIR/current" ] && [ ! -e "$DESTDIR$UNITS/ccli-nats-server.service" ]; then
    nats_url=$(sed -n 's/^  url: *//p' "$DESTDIR/etc/ccli/coordinator.yaml" | head -n 1)
  fi
  check_nats_server
  prepare
  install_programs
  install_version
  install_configuration
  install_nats_server
  install_units
  start_services
  prune
  done_well=yes
  tell_next
}

do_rollback() {
  check_host
  [ -L "$DESTDIR$HOME_DIR/previous" ] || fail 'there is no version to go back to' 2
  prepare
  to=$(readlink -- "$DESTDIR$HOME_DIR/previous")
  from=$(current)
  link "$from" "$HOME_DIR/previous"
  link "$to" "$HOME_DIR/current"
  # Units belong to their version.
  here=$DESTDIR$HOME_DIR/$to/deploy
  [ -e "$DESTDIR$UNITS/ccli-nats-server.service" ] || services=ccli-coordinator.service
  for service in $services; do
    put 644 "$here/systemd/$service" "$UNITS/$service"
  done
  start_services
  done_well=yes
  version=$to
  tell_next
}

remove() {
  for path in "$@"; do
    if [ -e "$DESTDIR$path" ] || [ -L "$DESTDIR$path" ]; then
      say "removing $path"
      run rm -rf -- "$DESTDIR$path"
    fi
  done
}

do_uninstall() {
  check_host
  if [ "$live" = yes ]; then
    run systemctl disable --now ccli-coordinator.service ccli-nats-server.service 2>/dev/null || true
  fi
  remove "$UNITS/ccli-coordinator.service" "$UNITS/ccli-nats-server.service" \
    "$UNITS/ccli-coordinator.service.d" "$UNITS/ccli-nats-server.service.d" \
    /usr/local/bin/ccli "$HOME_DIR" /usr/local/lib/tmpfiles.d/ccli.conf /usr/local/lib/sysusers.d/ccli.conf
  systemctl_do daemon-reload
  if [ "$live" = yes ]; then
    # A unit that failed is remembered, although it is gone.
    run systemctl reset-failed ccli-coordinator.service ccli-nats-server.service 2>/dev/null || true
  fi
  if [ "$purge" = yes ]; then
    remove /etc/ccli /var/lib/ccli /var/lib/ccli-nats \
      /etc/systemd/system/ccli-coordinator.service.d /etc/systemd/system/ccli-nats-server.service.d
    for user in ccli ccli-nats; do
      if [ "$live" = yes ] && getent passwd "$user" >/dev/null; then run userdel "$user"; fi
    done
    for directory in "$UNITS" /usr/local/lib/systemd /usr/local/lib/tmpfiles.d /usr/local/lib/sysusers.d; do
      [ ! -d "$DESTDIR$directory" ] || run rmdir -- "$DESTDIR$directory" 2>/dev/null || true
    done
  else
    say 'kept: /etc/ccli, /var/lib/ccli, /var/lib/ccli-nats and their users; --uninstall --purge removes them too'
  fi
}

case $mode in
  install | upgrade) do_install ;;
  rollback) do_rollback ;;
  uninstall) do_uninstall ;;
esac
