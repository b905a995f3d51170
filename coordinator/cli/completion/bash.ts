import { allNodes, type CompletionNode, type Values } from './tree.ts';

const word = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const words = (list: readonly string[]): string => word(list.join(' '));

/** Fills COMPREPLY with what fits the value under the cursor. */
function complete(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `COMPREPLY=($(compgen -W ${words(values.words)} -- "$cur"))`;
    case 'ask':
      return `COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" __complete ${values.what} 2>/dev/null)" -- "$cur"))`;
    case 'file':
      return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))';
    case 'directory':
      return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur"))';
    case 'free':
      return 'COMPREPLY=()';
  }
}

/**
 * A script that needs bash 4 and nothing else. It walks the words before the cursor to learn which command they name,
 * stepping over the values of options.
 */
export function bashCompletion(tree: CompletionNode): string {
  const nodes = allNodes(tree);
  const key = (node: CompletionNode): string => node.path.join(' ');
  const steps = nodes.flatMap(node =>
    node.children.map(
      child => `      ${word(`${key(node)}|${child.path.at(-1) ?? ''}`)}) path=${word(key(child))} ;;`,
    ),
  );
  const valued = nodes.flatMap(node =>
    node.options.flatMap(({ names, value }) =>
      value === undefined ? [] : [{ names: names.map(name => `${key(node)}|${name}`), value }],
    ),
  );
  const skips = valued.flatMap(({ names }) => names.map(word)).join('|');
  const values = valued.map(
    ({ names, value }) => `    ${names.map(word).join('|')}) ${complete(value)}; return ;;`,
  );
  const options = nodes.map(
    node =>
      `      ${word(key(node))}) COMPREPLY=($(compgen -W ${words(node.options.flatMap(o => o.names))} -- "$cur")) ;;`,
  );
  const positions = nodes.flatMap(node => {
    const next: Values | undefined =
      node.children.length > 0
        ? { kind: 'words', words: node.children.map(child => child.path.at(-1) ?? '') }
        : node.argument;
    return next === undefined ? [] : [`    ${word(key(node))}) ${complete(next)} ;;`];
  });
  return `# bash completion for ccli: source <(ccli completion bash)
_ccli() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local path='' skip=0 i
  COMPREPLY=()
  # Bash makes three words of --option=value.
  if [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; elif [[ $cur == '=' ]]; then cur=''; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == '=' ]]; then continue; fi
    if ((skip)); then skip=0; continue; fi
    case "$path|\${COMP_WORDS[i]}" in
      ${skips}) skip=1 ;;
${steps.join('\n')}
    esac
  done
  case "$path|$prev" in
${values.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case "$path" in
${options.join('\n')}
    esac
    return
  fi
  case "$path" in
${positions.join('\n')}
  esac
}
complete -F _ccli ccli
`;
}
