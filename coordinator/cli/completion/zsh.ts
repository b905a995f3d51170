import { allNodes, type CompletionNode, type CompletionOption, type Values } from './tree.ts';

const word = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

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
  const key = (node: CompletionNode): string => node.path.join(' ');
  const steps = nodes.flatMap(node =>
    node.children.map(
      child => `      ${word(`${key(node)}|${child.path.at(-1) ?? ''}`)}) at=${word(key(child))} ;;`,
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
    node => `      ${word(key(node))}) ${describe('options', optionEntries(node.options))} ;;`,
  );
  const positions = nodes.flatMap(node => {
    if (node.children.length > 0) {
      const entries = node.children.map(child => described(child.path.at(-1) ?? '', child.description));
      return [`    ${word(key(node))}) ${describe('commands', entries)} ;;`];
    }
    return node.argument === undefined ? [] : [`    ${word(key(node))}) ${complete(node.argument)} ;;`];
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
${steps.join('\n')}
    esac
  done
  case "$at|$words[CURRENT-1]" in
${values.join('\n')}
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
