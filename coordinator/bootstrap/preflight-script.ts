/**
 * The questions that `preflight` has for a host, as a script for any POSIX shell (dash and busybox among them). It changes
 * nothing, waits for nothing long, and says no secret. Fields of one answer are separated by tabs.
 */
import { quote } from './shell.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Tries each pair of arguments at once; keeps to what any Node can do. */
const TRY_ADDRESSES = `
const net = require("net");
const pairs = process.argv.slice(1);
for (let at = 0; at < pairs.length; at += 2) {
  const [host, port] = [pairs[at], Number(pairs[at + 1])];
  let told = false;
  const tell = (outcome, reason) => {
    if (told) return;
    told = true;
    console.log([host, port, outcome, reason].join("\\t"));
    socket.destroy();
  };
  const socket = net.connect({ host, port });
  socket.setTimeout(3000, () => tell("no", "timeout"));
  socket.on("connect", () => tell("yes", ""));
  socket.on("error", error => tell("no", error.code || "error"));
}
`.replaceAll('\n', ' ');

export const preflightScript = (addresses: readonly Address[]): string => `
set +e
tab='\t'
# GNU's date has milliseconds, busybox's may not.
stamp() {
  now=$(date +%s%3N)
  case $now in *[!0-9]* | '') now=$(date +%s) ;; esac
  say "$1" "$now"
}
stamp clock_first
soon() {
  if command -v timeout >/dev/null 2>&1; then timeout 5 "$@"; else "$@"; fi
}
hash_of() {
  for tool in sha256sum 'shasum -a 256' 'openssl dgst -sha256 -r'; do
    hash=$($tool 2>/dev/null <"$1" | sed -n 's/^\\([0-9a-f]\\{64\\}\\).*/\\1/p')
    if [ -n "$hash" ]; then printf '%s' "$hash"; return; fi
  done
}
home=\${HOME:-}
uid=$(id -u)
user=$(id -un)
say home "$home"
say uid "$uid"
say user "$user"
say shell "\${SHELL:-}"
say system "$(uname -s)"
say kernel "$(uname -r)"
say machine "$(uname -m)"
(
  if [ -r /etc/os-release ]; then . /etc/os-release; fi
  say os_id "\${ID:-}"
  say os_version "\${VERSION_ID:-}"
) 2>/dev/null
if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then say libc glibc
elif ldd --version 2>&1 | grep -qi musl; then say libc musl
elif ls /lib/ld-musl-* >/dev/null 2>&1; then say libc musl
fi
${SYSTEMD}
if [ "$uid" = 0 ] || soon sudo -n true 2>/dev/null; then say may_be_root yes; fi

# What is not there yet is made in the nearest directory that is.
nearest() {
  place=$1
  while [ ! -e "$place" ] && [ "$place" != / ]; do place=$(dirname -- "$place"); done
  printf '%s' "$place"
}
for wanted in .local/share/ccli/versions .local/bin .local/state/ccli .config/ccli; do
  found=$(nearest "$home/$wanted")
  if [ ! -d "$found" ] || [ ! -w "$found" ] || [ ! -x "$found" ]; then say not_writable "$found"; fi
done
say disk "$(df -Pk -- "$(nearest "$home/.local/share/ccli/versions")" 2>/dev/null | tail -n 1)"
${NODES}
${SIGN_IN}
${INSTALLED}
${addresses.length === 0 ? '' : natsScript(addresses)}
stamp clock_last
`;

const SYSTEMD = `
if command -v systemctl >/dev/null 2>&1; then
  say systemd_version "$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p')"
fi
if [ -d /run/systemd/system ]; then say systemd_system yes; fi
runtime=\${XDG_RUNTIME_DIR:-/run/user/$uid}
as_user() { XDG_RUNTIME_DIR=$runtime soon systemctl --user "$@" 2>/dev/null; }
if [ -S "$runtime/systemd/private" ] && as_user show-environment >/dev/null; then say systemd_user yes; fi
if [ -e "/var/lib/systemd/linger/$user" ]; then say linger yes
elif [ -d /run/systemd/system ]; then say linger no
fi`;

const NODES = `
# The package that a program belongs to is in the nearest folder above the file that its links lead to.
package_version() {
  place=$(readlink -f -- "$1" 2>/dev/null)
  while [ -n "$place" ] && [ "$place" != / ]; do
    place=$(dirname -- "$place")
    if [ -r "$place/package.json" ]; then
      grep -o '"version"[[:space:]]*:[[:space:]]*"[^"]*"' "$place/package.json" | head -n 1 | sed 's/.*"\\([^"]*\\)"$/\\1/'
      return
    fi
  done
}
runner=
seen=:
look_in() {
  # /bin and /usr/bin are often the same place.
  real=$(cd -P -- "$2" 2>/dev/null && pwd -P) || return 0
  case $seen in *":$real:"*) return 0 ;; esac
  seen=$seen$real:
  if [ -x "$2/node" ] && [ ! -d "$2/node" ]; then
    printed=$(soon "$2/node" --version 2>/dev/null)
    say node "$1$tab$2/node$tab$3$tab$printed"
    if [ -z "$runner" ] && [ -n "$printed" ]; then runner=$2/node; fi
  fi
  if [ -e "$2/gemini" ]; then say gemini "$1$tab$2/gemini$tab$(package_version "$2/gemini")"; fi
}
for nvm in "\${NVM_DIR:-}" "$home/.nvm" "\${XDG_CONFIG_HOME:-$home/.config}/nvm"; do
  if [ -n "$nvm" ] && [ -d "$nvm/versions/node" ]; then break; fi
  nvm=
done
if [ -n "$nvm" ]; then
  say nvm_dir "$nvm"
  for place in "$nvm"/versions/node/v*; do look_in nvm "$place/bin" "\${place##*/}"; done
  for alias in "$nvm"/alias/* "$nvm"/alias/*/*; do
    if [ -f "$alias" ]; then say alias "\${alias#"$nvm/alias/"}$tab$(head -n 1 -- "$alias")"; fi
  done
fi
set -f
old_ifs=$IFS
IFS=:
for place in $PATH; do
  IFS=$old_ifs
  case $place in /*) look_in path "$place" '' ;; esac
done
IFS=$old_ifs
set +f`;

const SIGN_IN = `
settings=$home/.gemini/settings.json
if [ -r "$settings" ]; then
  say auth_type "$(grep -o '"selectedType"[[:space:]]*:[[:space:]]*"[^"]*"' "$settings" | head -n 1 | sed 's/.*"\\([^"]*\\)"$/\\1/')"
fi
for name in oauth_creds.json google_accounts.json gemini-credentials.json; do
  if [ -s "$home/.gemini/$name" ]; then say login_file "$name"; fi
done
if grep -Eq '^[[:space:]]*(export[[:space:]]+)?GEMINI_API_KEY[[:space:]]*=[[:space:]]*[^[:space:]]' "$home/.gemini/.env" 2>/dev/null; then
  say key '~/.gemini/.env'
fi
if [ -s "$home/.config/ccli/credentials/gemini-api-key" ]; then say key credential; fi
if [ -n "\${GEMINI_API_KEY:-}" ]; then say key environment; fi`;

const INSTALLED = `
base=$home/.local/share/ccli
say current "$(readlink -- "$base/current")"
for version in "$base"/versions/*; do
  if [ -d "$version" ]; then say version "\${version##*/}"; fi
done
if [ -h "$home/.local/bin/ccli" ]; then say command "$(readlink -- "$home/.local/bin/ccli")"
elif [ -e "$home/.local/bin/ccli" ]; then say command "$home/.local/bin/ccli"
fi
config=$home/.config/ccli
if [ -r "$config/node" ]; then say node_chosen "$(head -n 1 -- "$config/node")"; fi
if [ -r "$config/node-agent.yaml" ]; then say config_sha256 "$(hash_of "$config/node-agent.yaml")"; fi
for file in "$config"/credentials/*; do
  if [ -f "$file" ] && [ -r "$file" ]; then say credential "\${file##*/}$tab$(hash_of "$file")"; fi
done
in_system() { soon systemctl "$@" 2>/dev/null; }
look_unit() {
  unit=\${2##*/}
  # A template runs by the name of the user it runs as.
  case $unit in *@.service) unit=\${unit%.service}$user.service ;; esac
  say unit "$1$tab$unit$tab$2$tab$($3 is-enabled "$unit")$tab$($3 is-active "$unit")$tab$(hash_of "$2")"
}
for file in /etc/systemd/system/ccli-node-agent*.service; do
  if [ -f "$file" ]; then look_unit system "$file" in_system; fi
done
for file in "\${XDG_CONFIG_HOME:-$home/.config}"/systemd/user/ccli-node-agent*.service; do
  if [ -f "$file" ]; then look_unit user "$file" as_user; fi
done`;

const natsScript = (addresses: readonly Address[]): string => {
  const pairs = addresses.map(({ host, port }) => `${quote(host)} ${port}`);
  return `
if [ -n "$runner" ]; then
  soon "$runner" -e ${quote(TRY_ADDRESSES)} ${pairs.join(' ')} 2>/dev/null | while IFS= read -r line; do say nats "$line"; done
elif command -v bash >/dev/null 2>&1; then
  try_address() {
    if why=$(soon bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1); then say nats "$1$tab$2$tab"yes
    else say nats "$1$tab$2\${tab}no$tab\${why##*: }"
    fi
  }
${pairs.map(pair => `  try_address ${pair}`).join('\n')}
fi`;
};
