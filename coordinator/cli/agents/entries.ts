/** A YAML or JSON file with a list of agents: whatever its shape, one entry an agent, each with the line it starts on. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml';
import { CcliError } from '../../../protocol/errors.ts';
import type { InputStream } from '../io.ts';
import type { Entry } from './entry.ts';
import { speaksAsAgent } from './entry-fields.ts';

/** @param file `-` is standard input. @throws CcliError `config_invalid` */
export async function readEntries(file: string, stdin: InputStream): Promise<Entry[]> {
  const name = file === '-' ? 'Standard input' : file;
  let content: string;
  try {
    content = file === '-' ? await text(stdin) : await readFile(file, 'utf8');
  } catch (cause) {
    throw new CcliError('config_invalid', `The file ${file} cannot be read.`, { cause });
  }
  return parseEntries(content, name);
}

/**
 * A list of agents; or one under `agents`; or a map from names to agents, at either place; or a single agent; or
 * several of these, as YAML documents. JSON is read as the YAML that it is.
 *
 * @throws CcliError `config_invalid` naming the line
 */
export function parseEntries(content: string, name: string): Entry[] {
  const lines = new LineCounter();
  // An empty stream is an array of another type, with no documents in it.
  const documents = [...parseAllDocuments(content, { lineCounter: lines, merge: true, prettyErrors: false })];
  const entries = documents.flatMap(document => {
    const source = { document, lines, name };
    const [mistake] = document.errors;
    if (mistake !== undefined) throw unreadable(source, lines.linePos(mistake.pos[0]).line, mistake);
    return saysAnything(document.contents) ? entriesOf(document.contents, source) : [];
  });
  if (entries.length === 0) throw new CcliError('config_invalid', `${name} lists no agents.`);
  return entries;
}

interface Source {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly name: string;
}

type Value = Node | null | undefined;
type Pairs = YAMLMap<Node, Value>;

function entriesOf(node: Value, source: Source): Entry[] {
  const whole = meant(node, source);
  if (isSeq<Node>(whole))
    return whole.items.map(item => ({ line: lineOf(item, source), fields: fieldsOf(item, source) }));
  if (!isMap<Node, Value>(whole))
    throw new CcliError('config_invalid', `${source.name} is no list of agents: each has at least an id.`);
  const list = meant(whole.items.find(({ key }) => nameOf(key) === 'agents')?.value, source);
  if (isSeq(list) || isMap(list)) return entriesOf(list, source);
  return isAgent(whole, source)
    ? [{ line: lineOf(whole, source), fields: fieldsOf(whole, source) }]
    : named(whole, source);
}

/** An agent may be called "model" in a map of agents; but its value is then a map, or nothing yet. */
const isAgent = ({ items }: Pairs, source: Source): boolean =>
  items.some(({ key, value }) => {
    if (!speaksAsAgent(nameOf(key))) return false;
    const said = meant(value, source);
    return isSeq(said) || (isScalar(said) && said.value !== null);
  });

function named(map: Pairs, source: Source): Entry[] {
  const own = map.items.map(({ key }) => nameOf(key));
  return map.items.flatMap(({ key, value }) => {
    const said = meant(value, source);
    if (nameOf(key) === MERGE)
      return (isSeq<Node>(said) ? said.items : [said]).flatMap(item => {
        const merged = meant(item, source);
        return isMap<Node, Value>(merged)
          ? named(merged, source).filter(entry => !own.includes(entry.key ?? ''))
          : [];
      });
    return [
      {
        line: lineOf(key, source),
        key: nameOf(key),
        fields: saysAnything(said) ? fieldsOf(said, source) : {},
      },
    ];
  });
}

const MERGE = '<<';

const nameOf = (key: Node): string => {
  if (!isScalar(key)) return '';
  return typeof key.value === 'symbol' ? (key.value.description ?? '') : String(key.value);
};

const saysAnything = (node: Value): node is Node =>
  node !== null && node !== undefined && !(isScalar(node) && node.value === null);

/** What stands where an alias points to, when it is one. */
function meant(node: Value, source: Source): Value {
  if (!isAlias(node)) return node;
  const target = node.resolve(source.document);
  if (target !== undefined) return target;
  throw unreadable(
    source,
    lineOf(node, source),
    new ReferenceError(`nothing before it is marked &${node.source}`),
  );
}

function fieldsOf(node: Node, source: Source): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = meant(node, source)?.toJS(source.document);
  } catch (cause) {
    // An alias to nothing, a merge of what is no map.
    if (cause instanceof CcliError || !(cause instanceof Error)) throw cause;
    throw unreadable(source, lineOf(node, source), cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw new CcliError(
    'config_invalid',
    `${source.name}, line ${lineOf(node, source)}: an agent is a map of settings.`,
  );
}

const lineOf = (node: Node, { lines }: Source): number => lines.linePos(node.range?.[0] ?? 0).line;

const unreadable = ({ name }: Source, line: number, cause: Error): CcliError =>
  new CcliError(
    'config_invalid',
    `${name}, line ${line}, cannot be read as YAML or JSON: ${cause.message.replace(/\.$/, '')}.`,
    {
      cause,
    },
  );
