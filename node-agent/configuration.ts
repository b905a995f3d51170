/**
 * Makes the agents of this node what the registry wants them to be, within what the node's file permits. One desired
 * state after another, in the order in which they came; each is the whole of it.
 */
import type { ConfigureReply } from '../protocol/control.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError, type ErrorBody, toErrorBody } from '../protocol/errors.ts';
import type { AgentDefinition } from '../protocol/registration.ts';
import type { AgentConfig } from './agent-config/agent.ts';
import type { NodeConfig } from './config.ts';
import { MAX_STATUS_BYTES, objection, type Permission, statusBytes, termsWithin } from './core/ceilings.ts';
import type { Desired, DesiredFile } from './desired-file.ts';
import { isSameModel, registeredAgent, settingsOf } from './registered.ts';
import type { Roster } from './roster.ts';

export interface Configuration {
  /** What was applied last; 0 before the first, and when a part of it is still to be tried again. */
  readonly revision: number;
  /** What the file of the node says about agents it does not name. */
  readonly permission: Permission;
  /** What the last life was told; what cannot be read is not known. */
  restore(): Promise<void>;
  /** Of the state that is applied already, the same answer; what could not be applied is tried again. */
  apply(desired: Desired): Promise<ConfigureReply>;
}

interface ConfigurationOptions {
  readonly config: Pick<NodeConfig, 'agents' | 'permit'>;
  readonly roster: Roster;
  readonly file: DesiredFile;
  readonly log: Log;
  readonly onChange: () => void;
}

const MAX_AGENTS = 500;

const tooMany = (): CcliError =>
  new CcliError(
    'not_permitted',
    `A node takes at most ${MAX_AGENTS} agents; register this one on another node.`,
  );

const tooLong = (agent_id: string): CcliError =>
  new CcliError(
    'not_permitted',
    `What this node tells of its agents would be too long for a message with agent "${agent_id}"; give its agents fewer or shorter labels, or register it on another node.`,
  );

/** Agents by what they take of an advert: those that come first, as far as the room goes. */
function createRoom(file: readonly AgentConfig[], max_concurrent: number) {
  const byFile = new Map(file.map(agent => [agent.id, agent]));
  const own = (agent: AgentConfig): number => statusBytes(termsWithin(agent, {}), shownOf(agent));
  let bytes = file.reduce((sum, agent) => sum + own(agent), 0);
  let count = file.length;
  return {
    /** Why there is none for this one. */
    take(id: string, definition: AgentDefinition): CcliError | undefined {
      const { ollama } = definition;
      const named = byFile.get(id);
      const agent = named ?? (ollama && registeredAgent(id, ollama, max_concurrent));
      if (agent === undefined) return undefined;
      const wanted = statusBytes(termsWithin(agent, settingsOf(definition)), shownOf(agent));
      const more = named === undefined ? wanted : Math.max(wanted - own(named), 0);
      if (named === undefined && count >= MAX_AGENTS) return tooMany();
      if (more > 0 && bytes + more > MAX_STATUS_BYTES) return tooLong(id);
      bytes += more;
      if (named === undefined) count += 1;
      return undefined;
    },
  };
}

/** Texts of an agent that its status shows, each as often as it does. */
const shownOf = (agent: AgentConfig): string[] => [
  agent.id,
  ...(agent.model === undefined ? [] : [agent.model]),
  ...(agent.models ?? []),
  ...(agent.agent_type === 'ollama' ? [agent.endpoint, agent.model] : []),
];

function permissionOf({ agents, permit }: Pick<NodeConfig, 'agents' | 'permit'>): Permission {
  return { named: new Set(agents.map(({ id }) => id)), ...permit.ollama };
}

export function createConfiguration({
  config,
  roster,
  file,
  log,
  onChange,
}: ConfigurationOptions): Configuration {
  const permission = permissionOf(config);
  let applied: Pick<Desired, 'fleet_id' | 'revision'> | undefined;
  let refused: Record<string, ErrorBody> = {};
  /** Something has failed that was permitted, which the next try may not. */
  let unfinished = false;
  let turn: Promise<unknown> = Promise.resolve();

  /** The agents of this node that its file does not name. */
  const registered = (): string[] => [...roster.agents.keys()].filter(id => !permission.named.has(id));

  const removeAllBut = async (wanted: ReadonlyMap<string, AgentDefinition>): Promise<void> => {
    for (const id of registered()) if (!wanted.has(id)) await roster.remove(id);
  };

  const applyOne = async (id: string, definition: AgentDefinition): Promise<void> => {
    const settings = settingsOf(definition);
    const present = roster.agents.get(id);
    if (definition.ollama === undefined) {
      present?.apply(settings);
      return;
    }
    const wanted = registeredAgent(id, definition.ollama, permission.max_concurrent);
    if (present === undefined) (await roster.add(wanted)).apply(settings);
    else if (present.config.agent_type === 'ollama' && isSameModel(present.config, wanted))
      present.apply(settings, wanted);
    else (await roster.replace(wanted)).apply(settings);
  };

  const make = async (agents: Desired['agents']): Promise<Record<string, ErrorBody>> => {
    const faults: [string, ErrorBody][] = [];
    const refuse = (id: string, error: unknown): void => {
      faults.push([id, toErrorBody(error)]);
      log.warn('agent_not_configured', { agent_id: id, ...errorFields(error) });
    };
    const wanted = new Map<string, AgentDefinition>();
    const room = createRoom(config.agents, permission.max_concurrent);
    for (const [id, definition] of Object.entries(agents)) {
      const why = objection(id, definition, permission) ?? room.take(id, definition);
      if (why !== undefined) refuse(id, why);
      else wanted.set(id, definition);
    }
    unfinished = false;
    await removeAllBut(wanted);
    for (const id of permission.named) if (!wanted.has(id)) roster.agents.get(id)?.apply({});
    for (const [id, definition] of wanted) {
      try {
        await applyOne(id, definition);
      } catch (error) {
        unfinished = true;
        refuse(id, error);
      }
    }
    return Object.fromEntries(faults);
  };

  const take = async ({ fleet_id, revision, agents }: Desired): Promise<void> => {
    refused = await roster.together(() => make(agents));
    applied = { fleet_id, revision };
    log.info('configured', { revision, agents: Object.keys(agents).length });
    onChange();
  };

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const own = turn.then(work);
    // Whoever asked for it hears of a failure.
    turn = own.catch(() => undefined);
    return own;
  };

  return {
    permission,
    get revision() {
      return unfinished ? 0 : (applied?.revision ?? 0);
    },
    restore: () =>
      inTurn(async () => {
        try {
          const desired = await file.load();
          if (desired !== undefined) await take(desired);
        } catch (error) {
          // The leader sends it anew as soon as it reads in an advert that it is missing.
          log.error('configuration_not_read', errorFields(error));
        }
      }),
    apply: desired =>
      inTurn(async () => {
        const { fleet_id, revision, agents } = desired;
        if (unfinished || applied?.fleet_id !== fleet_id || applied.revision !== revision) {
          await take(desired);
          try {
            await file.save({ fleet_id, revision, agents });
          } catch (error) {
            // It holds as long as the daemon lives, and is sent again to the next life.
            log.error('configuration_not_stored', errorFields(error));
          }
        }
        return { revision, refused };
      }),
  };
}
