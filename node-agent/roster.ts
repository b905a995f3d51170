/**
 * The live set of a node's agents. One that is removed takes nothing new from that moment on; what runs on it ends
 * first, and only then is its driver closed. Until then it counts against the slots of whoever has its id.
 */
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import { type Agent, type AgentOptions, createAgent } from './agent.ts';
import type { AgentConfig } from './agent-config/agent.ts';
import { type CooldownFile, createCooldownFile, type RestoredCooldown } from './cooldown-file.ts';
import { type Cooling, createCooling } from './cooling.ts';
import { createDriver } from './drivers/create.ts';
import type { DriverConfig } from './drivers/launch.ts';
import { keepProbing } from './probe-loop.ts';
import type { Slots } from './slots.ts';

export interface Roster {
  readonly agents: ReadonlyMap<string, Agent>;
  /** What was added so far is looked at from now on, and what is added later at once. */
  start(): void;
  /** With the cooldown that an earlier life has left. @throws CcliError what its driver cannot be made for */
  add(config: AgentConfig): Promise<Agent>;
  /**
   * Another one in the place of the one of its id: of another model, or on another server, which has no part in what
   * the former one asked for.
   *
   * @throws CcliError as `add`
   */
  replace(config: AgentConfig): Promise<Agent>;
  /** Resolves when nobody finds it any more; that it ends is seen to. */
  remove(agent_id: string): Promise<void>;
  /** One that only `use` knows, gone afterwards. */
  lend<T>(config: AgentConfig, use: (agent: Agent) => Promise<T>): Promise<T>;
  /** Many changes that are told of as one, when the last is made; what is new is looked at from then on. */
  together<T>(change: () => Promise<T>): Promise<T>;
  /** Ends whatever the drivers started. Nothing runs on any agent by then. */
  close(): Promise<void>;
}

interface RosterOptions {
  readonly config: DriverConfig;
  readonly gpuMemory: (config: AgentConfig) => ReturnType<NonNullable<AgentOptions['gpuMemory']>>;
  readonly handOver: (work: Promise<unknown>) => void;
  /** Aborts when the daemon stops for good. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly onChange: () => void;
}

/** The pauses of an agent, which outlive it when another one asks the same service. */
interface Rest {
  readonly cooling: Cooling;
  readonly ending: AbortController;
}

interface Member {
  readonly agent: Agent;
  readonly ending: AbortController;
  readonly rest: Rest;
}

export function createRoster(options: RosterOptions): Roster {
  const { config, log, handOver } = options;
  const members = new Map<string, Member>();
  const agents = new Map<string, Agent>();
  /** By id, the last one of those that nobody finds any more and on which something runs. */
  const leaving = new Map<string, Agent>();
  /** Of agents that nobody finds any more, or that were never to be found. */
  const closing = new Set<Promise<void>>();
  let started = false;
  let together = 0;
  let changed = false;
  let unwatched: Member[] = [];

  const onChange = (): void => {
    if (together === 0) options.onChange();
    else changed = true;
  };

  /** Aborts with the daemon, too. */
  const lifetime = (): AbortController => {
    const ending = new AbortController();
    const end = (): void => {
      ending.abort();
    };
    if (options.signal.aborted) end();
    options.signal.addEventListener('abort', end);
    ending.signal.addEventListener('abort', () => {
      options.signal.removeEventListener('abort', end);
    });
    return ending;
  };

  const restOf = (
    agent_id: string,
    kept: { cooldowns?: CooldownFile; restored?: RestoredCooldown | undefined },
  ): Rest => {
    const ending = lifetime();
    const { signal } = ending;
    const clock = (): number => performance.now();
    return { ending, cooling: createCooling({ ...kept, agent_id, signal, log, onChange, clock }) };
  };

  const storedRest = async (agent_id: string): Promise<Rest> => {
    const cooldowns = createCooldownFile(config.state_dir, agent_id);
    return restOf(agent_id, { cooldowns, restored: await cooldowns.load() });
  };

  const make = (agent: AgentConfig, rest: Rest, slotsBefore?: Slots): Member => {
    const driver = createDriver({ agent, config, log: log.child({ agent_id: agent.id }) });
    return {
      ending: lifetime(),
      rest,
      agent: createAgent({
        config: agent,
        driver,
        cooling: rest.cooling,
        slotsBefore,
        gpuMemory: () => options.gpuMemory(agent),
        log,
        onChange,
      }),
    };
  };

  const watch = (member: Member): void => {
    if (!started) return;
    if (together > 0) unwatched.push(member);
    else handOver(keepProbing(member.agent, member.ending.signal));
  };

  const enter = (agentConfig: AgentConfig, rest: Rest): Agent => {
    const { id } = agentConfig;
    const member = make(agentConfig, rest, leaving.get(id)?.slots);
    const { agent } = member;
    members.set(id, member);
    agents.set(id, agent);
    watch(member);
    onChange();
    return agent;
  };

  /** In the background, and never in vain: `close` waits for it. */
  const dismiss = ({ agent, ending }: Member, whenUnused: Promise<void>): Promise<void> => {
    ending.abort();
    const work: Promise<void> = whenUnused
      .then(() => agent.driver.close())
      .catch((error: unknown) => {
        log.error('driver_not_closed', { agent_id: agent.config.id, ...errorFields(error) });
      })
      .finally(() => closing.delete(work));
    closing.add(work);
    return work;
  };

  const letEnd = (member: Member): void => {
    const { agent } = member;
    const { id } = agent.config;
    leaving.set(id, agent);
    const unused = agent.unused().then(() => {
      if (leaving.get(id)?.slots.taken === 0) leaving.delete(id);
    });
    void dismiss(member, unused);
  };

  const forget = async (agent_id: string, cooldowns: Pick<CooldownFile, 'remove'>): Promise<void> => {
    try {
      await cooldowns.remove();
    } catch (error) {
      // It is over some day, and harms nobody until then.
      log.warn('cooldown_not_removed', { agent_id, ...errorFields(error) });
    }
  };

  return {
    agents,
    start() {
      started = true;
      for (const member of members.values()) watch(member);
    },
    async add(agentConfig) {
      return enter(agentConfig, await storedRest(agentConfig.id));
    },
    async replace(agentConfig) {
      const { id } = agentConfig;
      const former = members.get(id);
      if (former === undefined) throw new CcliError('agent_unknown', `This node has no agent "${id}".`);
      log.info('agent_replaced', { agent_id: id, running: former.agent.status().running });
      letEnd(former);
      if (isSameService(former.agent.config, agentConfig)) return enter(agentConfig, former.rest);
      former.rest.ending.abort();
      const cooldowns = createCooldownFile(config.state_dir, id);
      const agent = enter(agentConfig, restOf(id, { cooldowns }));
      await forget(id, cooldowns);
      return agent;
    },
    async remove(agent_id) {
      const member = members.get(agent_id);
      if (member === undefined) return;
      members.delete(agent_id);
      agents.delete(agent_id);
      log.info('agent_removed', { agent_id, running: member.agent.status().running });
      onChange();
      letEnd(member);
      member.rest.ending.abort();
      await forget(agent_id, createCooldownFile(config.state_dir, agent_id));
    },
    lend(agentConfig, use) {
      const member = make(agentConfig, restOf(agentConfig.id, {}));
      const work = (async () => {
        try {
          return await use(member.agent);
        } finally {
          member.rest.ending.abort();
          await dismiss(member, Promise.resolve());
        }
      })();
      // Whoever borrows hears of a failure.
      const over: Promise<void> = work
        .then(
          () => undefined,
          () => undefined,
        )
        .finally(() => closing.delete(over));
      closing.add(over);
      return work;
    },
    async together(change) {
      together += 1;
      try {
        return await change();
      } finally {
        together -= 1;
        if (together === 0) {
          const fresh = unwatched;
          unwatched = [];
          for (const member of fresh) if (!member.ending.signal.aborted) watch(member);
          if (changed) onChange();
          changed = false;
        }
      }
    },
    async close() {
      for (const member of members.values()) {
        member.rest.ending.abort();
        void dismiss(member, Promise.resolve());
      }
      members.clear();
      while (closing.size > 0) await Promise.all(closing);
    },
  };
}

/** Whether what one was asked to wait for holds for the other. */
const isSameService = (one: AgentConfig, other: AgentConfig): boolean =>
  one.agent_type === 'ollama' && other.agent_type === 'ollama' && one.endpoint === other.endpoint;
