import { allNodes, type CompletionNode, type CompletionOption, type Values } from './tree.ts';
import { keyOf, walk, word } from './walk.ts';

/** \`_describe\` reads \`name:description\`, so a colon in a name needs a backslash. */
const described = (name: string, description: string): string =>
  word(`${name.replaceAll(':', '\\:')}:${description}`);

function complete(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `compadd -- ${values.words.map(word).join(' ')}`;
    case 'ask':
      return `compadd -- \${(f)"$($words[1] __complete ${values.what} 2>/dev/null)"}`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'free':
      return '_message value';
  }
}

const describe = (tag: string, entries: readonly string[]): string =>
  `entries=(${entries.join(' ')}); _describe -t ${tag} ${tag} entries`;

const optionEntries = (options: readonly CompletionOption[]): string[] =>
  options.flatMap(({ names, description }) => names.map(name => described(name, description)));

/** The same walk over the words as the script for bash. */
export function zshCompletion(tree: CompletionNode): string {
  const nodes = allNodes(tree);
  const { steps, skips, values } = walk(tree, { variable: 'at', complete });
  const options = nodes.map(
    node => `      ${word(keyOf(node))}) ${describe('options', optionEntries(node.options))} ;;`,
  );
  const positions = nodes.flatMap(node => {
    if (node.children.length > 0) {
      const entries = node.children.map(child => described(child.path.at(-1) ?? '', child.description));
      return [`    ${word(keyOf(node))}) ${describe('commands', entries)} ;;`];
    }
    return node.argument === undefined ? [] : [`    ${word(keyOf(node))}) ${complete(node.argument)} ;;`];
  });
  return `#compdef ccli
# zsh completion for ccli: source <(ccli completion zsh)
_ccli() {
  local at='' i
  local -i skip=0
  local -a entries
  for ((i = 2; i < CURRENT; i++)); do
    if ((skip)); then skip=0; continue; fi
    case "$at|$words[i]" in
      ${skips}) skip=1 ;;
${steps}
    esac
  done
  case "$at|$words[CURRENT-1]" in
${values}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    case "$at" in
${options.join('\n')}
    esac
    return
  fi
  case "$at" in
${positions.join('\n')}
  esac
}
compdef _ccli ccli
`;
}
