import { allNodes, type CompletionNode, type Values } from './tree.ts';
import { keyOf, walk, word } from './walk.ts';

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
  const { steps, skips, values } = walk(tree, { variable: 'path', complete });
  const options = nodes.map(
    node =>
      `      ${word(keyOf(node))}) COMPREPLY=($(compgen -W ${words(node.options.flatMap(o => o.names))} -- "$cur")) ;;`,
  );
  const positions = nodes.flatMap(node => {
    const next: Values | undefined =
      node.children.length > 0
        ? { kind: 'words', words: node.children.map(child => child.path.at(-1) ?? '') }
        : node.argument;
    return next === undefined ? [] : [`    ${word(keyOf(node))}) ${complete(next)} ;;`];
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
${steps}
    esac
  done
  case "$path|$prev" in
${values}
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
