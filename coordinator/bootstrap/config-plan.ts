/** What becomes of the node-agent's file on a host. Pure: nothing an operator wrote there is lost. */
import { createHash } from 'node:crypto';
import { amendConfig, type ConfigFacts, type ConfigWish, newConfig, readConfig } from './node-config.ts';

export interface ConfigPlan {
  /** As it will be when the run has ended. */
  readonly text: string;
  readonly facts: ConfigFacts;
  readonly write: boolean;
  /** Keep what was there under another name. */
  readonly backup: boolean;
  readonly says: string;
  /** Something that was asked for and is not done. */
  readonly note?: string;
}

interface PlanOptions {
  readonly node: string;
  readonly existing: { readonly content: string; readonly mode: number } | undefined;
  /** The hash of what a former run wrote; undefined when none has. */
  readonly written_sha256: string | undefined;
  /** A file of the operator's, in place of one of ours. */
  readonly given: string | undefined;
  /** What was asked for by name; and what is taken where nothing says otherwise. */
  readonly asked: ConfigWish;
  readonly defaults: ConfigWish;
  readonly force: boolean;
}

export const CONFIG_MODE = 0o600;

export const sha256 = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex');

/** @throws CcliError `config_invalid` */
export function planConfig(options: PlanOptions): ConfigPlan {
  const { existing, force, written_sha256 } = options;
  const text = wantedText(options);
  const plan = { text, facts: readConfig(text), backup: false };
  if (existing === undefined) return { ...plan, write: true, says: 'write node-agent.yaml' };
  if (existing.content === text && existing.mode === CONFIG_MODE)
    return { ...plan, write: false, says: 'node-agent.yaml as it is' };
  const edited = written_sha256 !== sha256(existing.content);
  if (existing.content === text || !edited) return { ...plan, write: true, says: 'change node-agent.yaml' };
  if (force)
    return { ...plan, write: true, backup: true, says: 'replace node-agent.yaml, and keep the old one' };
  return {
    text: existing.content,
    facts: readConfig(existing.content),
    write: false,
    backup: false,
    says: 'node-agent.yaml kept as it was edited there',
    note: 'node-agent.yaml was edited on the host and is kept: what this run would change in it is not done. --force-config replaces it and keeps a backup.',
  };
}

function wantedText({ node, existing, given, force, ...options }: PlanOptions): string {
  const asked = present(options.asked);
  const defaults = present(options.defaults);
  if (given !== undefined) return amendConfig(given, { ...missing(given, { node, ...defaults }), ...asked });
  if (existing === undefined) return newConfig(node, { ...defaults, ...asked });
  if (!force) return amendConfig(existing.content, asked);
  const { nats_url, prefix } = readConfig(existing.content);
  return newConfig(node, { ...defaults, ...present({ nats_url, prefix }), ...asked });
}

/** An absent wish must not hide a default. */
const present = (wish: ConfigWish): ConfigWish =>
  Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));

/** Those of the defaults that a file says nothing about; what agents need is for the file to say. */
function missing(text: string, { node, nats_url, prefix }: ConfigWish): ConfigWish {
  const facts = readConfig(text);
  return {
    ...(facts.node === undefined && { node }),
    ...(facts.nats_url === undefined && { nats_url }),
    ...(facts.prefix === undefined && { prefix }),
  };
}
