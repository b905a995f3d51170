/** What the scripts of all shells share: `case` branches that walk the words to the command they name. */
import { allNodes, type CompletionNode, type Values } from './tree.ts';

export const word = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A command as the scripts name it: its words, with a space between. */
export const keyOf = (node: CompletionNode): string => node.path.join(' ');

interface Walk {
  /** `case "<command>|<word>"`: from a command to the one below it. */
  readonly steps: string;
  /** The patterns of options whose value is the next word. */
  readonly skips: string;
  /** `case "<command>|<option>"`: what completes the option's value. */
  readonly values: string;
}

interface Shell {
  /** The variable that holds the command. */
  readonly variable: string;
  readonly complete: (values: Values) => string;
}

export function walk(tree: CompletionNode, { variable, complete }: Shell): Walk {
  const nodes = allNodes(tree);
  const steps = nodes.flatMap(node =>
    node.children.map(child => {
      const step = word(`${keyOf(node)}|${child.path.at(-1) ?? ''}`);
      return `      ${step}) ${variable}=${word(keyOf(child))} ;;`;
    }),
  );
  const valued = nodes.flatMap(node =>
    node.options.flatMap(({ names, value }) =>
      value === undefined ? [] : [{ patterns: names.map(name => word(`${keyOf(node)}|${name}`)), value }],
    ),
  );
  return {
    steps: steps.join('\n'),
    skips: valued.flatMap(({ patterns }) => patterns).join('|'),
    values: valued
      .map(({ patterns, value }) => `    ${patterns.join('|')}) ${complete(value)}; return ;;`)
      .join('\n'),
  };
}
