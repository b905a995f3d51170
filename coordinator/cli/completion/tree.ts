/** The commands as completion sees them: words, options, and what may follow each. */
import type { Argument, Command, Option } from 'commander';

/** What `ccli __complete` can list. */
export const ASKED = ['tasks', 'agents', 'nodes'] as const;
export type Asked = (typeof ASKED)[number];

/** What a value is: fixed words, something to ask the fleet for, a path, or free text. */
export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'ask'; readonly what: Asked }
  | { readonly kind: 'file' }
  | { readonly kind: 'directory' }
  | { readonly kind: 'free' };

export interface CompletionOption {
  /** `-q` and `--quiet`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Absent for a flag. */
  readonly value?: Values;
}

export interface CompletionNode {
  /** Words after the program's name; none for the program itself. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly CompletionOption[];
  readonly argument?: Values;
  readonly children: readonly CompletionNode[];
}

export function completionTree(command: Command, path: readonly string[] = []): CompletionNode {
  const help = command.createHelp();
  const argument = command.registeredArguments[0];
  return {
    path,
    description: command.description(),
    options: help.visibleOptions(command).map(option => ({
      names: [option.short, option.long].filter(name => name !== undefined),
      description: option.description,
      ...((option.required || option.optional) && { value: valuesOf(placeholder(option.flags), option) }),
    })),
    ...(argument !== undefined && { argument: valuesOf(argument.name(), argument) }),
    children: help.visibleCommands(command).map(child => completionTree(child, [...path, child.name()])),
  };
}

/** Every node of the tree, the root first. */
export const allNodes = (node: CompletionNode): CompletionNode[] => [
  node,
  ...node.children.flatMap(allNodes),
];

const placeholder = (flags: string): string => /[<[](.+?)[\]>]/.exec(flags)?.[1] ?? '';

function valuesOf(name: string, { argChoices }: Option | Argument): Values {
  if (argChoices !== undefined) return { kind: 'words', words: argChoices };
  switch (name) {
    case 'task-id':
      return { kind: 'ask', what: 'tasks' };
    case 'agent-id':
      return { kind: 'ask', what: 'agents' };
    case 'node':
      return { kind: 'ask', what: 'nodes' };
    case 'file':
      return { kind: 'file' };
    case 'dir':
    case 'directory':
      return { kind: 'directory' };
    default:
      return { kind: 'free' };
  }
}
