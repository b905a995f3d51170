/** What is asked of a host around an upload. `$base`, `$version`, `$own` and `$node` are set. */
import type { Bundle } from '../bundle/bundle.ts';
import { quote } from './shell.ts';

const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const HASH_BY_NODE =
  'const h=require("crypto").createHash("sha256");process.stdin.on("data",d=>h.update(d)).on("end",()=>console.log(h.digest("hex")))';

/** By whichever tool is there and counts right. `state DIRECTORY KEY` says what of the bundle is in a directory. */
const STATE = (bundle: Bundle): string => `
tab='\t'
hash_with() {
  case $tool in
    node) "$node" -e ${quote(HASH_BY_NODE)} ;;
    *) $tool ;;
  esac
}
hash_of() { hash_with 2>/dev/null <"$1" | sed -n 's/^\\([0-9a-f]\\{64\\}\\).*/\\1/p'; }
tool_found=
for tool in sha256sum 'shasum -a 256' 'openssl dgst -sha256 -r' node; do
  if [ "$(hash_of /dev/null)" = ${SHA256_OF_NOTHING} ]; then tool_found=$tool; break; fi
done
tool=$tool_found
say tool "$tool"
paths=${quote(bundle.files.map(({ path }) => path).join('\n'))}
state() {
  old_ifs=$IFS
  IFS=$line_end
  for path in $paths; do
    IFS=$old_ifs
    file=$1/$path
    if [ -f "$file" ] && [ -r "$file" ] && [ ! -h "$file" ]; then
      runnable=no
      if [ -x "$file" ]; then runnable=yes; fi
      say "$2" "$(($(wc -c <"$file")))$tab$(hash_of "$file")$tab$runnable$tab$path"
    fi
  done
  IFS=$old_ifs
}`;

/** What is there of the version; changes nothing. */
export const lookScript = (bundle: Bundle): string => `${STATE(bundle)}
if [ -n "$tool" ] && [ -d "$base/versions/$version" ]; then
  say version yes
  state "$base/versions/$version" file
fi`;

const directoriesOf = (bundle: Bundle): string[] => [
  ...new Set(
    bundle.files.flatMap(({ path }) => (path.includes('/') ? [path.slice(0, path.lastIndexOf('/'))] : [])),
  ),
];

/**
 * A directory of our own for the upload, and what is in it already. One that broke off is taken over by renaming it, which
 * one alone can do; while somebody still writes to it, it grows, and is left alone.
 */
export const prepareScript = (bundle: Bundle): string => `${STATE(bundle)}
umask 022
mkdir -p -- "$base/versions"
cd -- "$base/versions"
contents() { find "$1" -type f -exec ls -ln -- {} + 2>/dev/null || true; }
for other in "$version".partial*; do
  if [ ! -d "$other" ]; then continue; fi
  before=$(contents "$other")
  sleep 2
  if [ "$before" = "$(contents "$other")" ] && mv -- "$other" "$own" 2>/dev/null; then break; fi
done
mkdir -p -- "$own"
${directoriesOf(bundle)
  .map(path => `mkdir -p -- "$own/"${quote(path)}`)
  .join('\n')}
state "$own" file
say disk "$(df -Pk -- "$own" 2>/dev/null | tail -n 1)"`;

/** What arrived, with the modes it is to have. */
export const checkScript = (bundle: Bundle): string => `${STATE(bundle)}
cd -- "$base/versions"
${bundle.files.map(({ path, mode }) => `chmod ${mode.toString(8)} -- "$own/"${quote(path)}`).join('\n')}
state "$own" file`;

/** A damaged version makes room for the whole one; `$own` takes its place right after. */
export const SET_ASIDE = 'cd -- "$base/versions"; mv -- "$version" "$own.damaged"';
export const DROP_ASIDE = 'cd -- "$base/versions"; rm -rf -- "$own.damaged"';

export const ABANDON = `
set +e
if cd -- "$base/versions" 2>/dev/null; then
  rm -rf -- "$own"
  if [ ! -e "$version" ] && [ -d "$own.damaged" ]; then mv -- "$own.damaged" "$version"; fi
  rm -rf -- "$own.damaged"
fi`;

/** SFTP says "failure" of much; a write by a command says why. */
export const TRY_ROOM = `
cd -- "$base/versions/$own"
dd if=/dev/zero of=.room bs=65536 count=1
rm -f .room`;
