/** One warm process with its home and the sessions it has ready. */
import type { ToolPolicy } from '../../../protocol/agent.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { acpModeOf, startsWithModel } from '../../presets/effective.ts';
import { notSignedIn } from '../../presets/sign-in.ts';
import type { Executable } from '../../process/executable.ts';
import { residentBytes } from '../../process/memory.ts';
import { makeWorkspace, type Workspace } from '../../process/workspace.ts';
import { abortable } from '../abortable.ts';
import { judgeEnd } from '../judge-end.ts';
import { type DriverOptions, prepareLaunch, startModel } from '../launch.ts';
import type { OpenedSession } from './announced.ts';
import { acpArguments, heapCapArgument } from './arguments.ts';
import { type AcpConnection, connectAcp } from './connection.ts';
import { enterMode, switchModel } from './session.ts';
import { createStock } from './stock.ts';
import type { Worn } from './wear.ts';

export interface ReadySession extends OpenedSession {
  readonly workspace: Workspace;
}

export interface Member {
  readonly connection: AcpConnection;
  readonly cli_version: string | undefined;
  readonly executable: Executable;
  /** Whether it answers what it does not know, as all should: if not, its silence tells nothing. */
  readonly polite: boolean;
  /** A session nobody has used: one that is ready, or a new one. */
  take(): Promise<ReadySession>;
  /** Makes sessions until there are enough; not while it is being left. */
  replenish(): Promise<void>;
  /** Sessions taken so far. */
  readonly taken: number;
  /** What its life has made of it up to now. */
  worn(): Worn;
  /** Stops the process and removes what was made for it. The reason is what its tasks are told. */
  stop(reason?: CcliError, grace_ms?: number): Promise<void>;
}

interface MemberOptions {
  readonly policy: ToolPolicy;
  readonly signal: AbortSignal;
  readonly initialize_timeout_ms: number;
  /** How many sessions to keep ready. */
  readonly ready: number;
}

/**
 * Ready when this settles: signed in, with one session to take.
 *
 * @throws CcliError whatever keeps the agent from working; the signal's reason.
 */
export async function startMember(driver: DriverOptions, options: MemberOptions): Promise<Member> {
  const { agent, config } = driver;
  const { auth_method, mode } = acpModeOf(agent, options.policy);
  const launch = await prepareLaunch(driver, options.policy);
  const workspaces = new Set<Workspace>();
  const workspace = async (): Promise<Workspace> => {
    const made = await makeWorkspace(agent, config.state_dir);
    workspaces.add(made);
    return {
      path: made.path,
      async remove() {
        workspaces.delete(made);
        await made.remove();
      },
    };
  };
  const clean = async (): Promise<void> => {
    await Promise.all([...workspaces].map(one => one.remove()));
    workspaces.clear();
    await launch.remove();
  };

  const timeout = AbortSignal.timeout(options.initialize_timeout_ms);
  let connection: AcpConnection;
  try {
    const { executable, home, env } = launch;
    connection = await connectAcp({
      file: executable.file,
      args: [
        ...(executable.args.length > 0 ? [heapCapArgument(agent), ...executable.args] : []),
        ...acpArguments(agent, { model: startModel(agent), policy: options.policy }),
        ...(home?.args ?? []),
      ],
      cwd: (await workspace()).path,
      env,
      onNotKilled: launch.onNotKilled,
      judgeExit: exit => judgeEnd(agent, exit),
      signedOut: cause => notSignedIn(agent, cause),
      ...(auth_method !== undefined && { auth_method }),
      signal: AbortSignal.any([options.signal, timeout]),
    });
  } catch (error) {
    await clean();
    if (options.signal.aborted || !timeout.aborted) throw error;
    throw silent(options.initialize_timeout_ms, launch.home?.auth, error);
  }

  let taken = 0;
  const born = performance.now();
  let stopped: Promise<void> | undefined;
  const prepared = async (cwd: string): Promise<OpenedSession> => {
    const session = await connection.openSession(cwd);
    if (mode !== undefined) await enterMode(connection, session, mode);
    if (startsWithModel(agent) || agent.model === undefined) return session;
    await switchModel(connection, session, agent.model);
    return session.model === undefined
      ? session
      : { ...session, model: { ...session.model, current: agent.model } };
  };
  const open = async (): Promise<ReadySession> => {
    const place = await workspace();
    const patience = AbortSignal.timeout(options.initialize_timeout_ms);
    try {
      const session = await abortable(prepared(place.path), patience);
      return { ...session, workspace: place };
    } catch (error) {
      await place.remove();
      if (!patience.aborted) throw error;
      // It is stuck, and would stay so for every task to come.
      const stuck = silent(options.initialize_timeout_ms, launch.home?.auth, error);
      await connection.stop(stuck);
      throw stuck;
    }
  };
  const stock = createStock({ enough: options.ready, open, alive: () => connection.alive });
  const stop = async (reason?: CcliError, grace_ms?: number): Promise<void> => {
    await connection.stop(reason, grace_ms);
    await clean();
  };

  let polite = false;
  const member: Member = {
    connection,
    get polite() {
      return polite;
    },
    cli_version: connection.announced.version ?? launch.executable.version,
    executable: launch.executable,
    take() {
      taken += 1;
      return stock.take();
    },
    replenish: () => stock.replenish(),
    get taken() {
      return taken;
    },
    worn: () => ({
      taken,
      age_ms: performance.now() - born,
      resident_bytes: residentBytes(connection.pid),
    }),
    stop: (reason, grace_ms) => (stopped ??= stop(reason, grace_ms)),
  };
  try {
    // Asked first, it has answered by the time there is a session, if it ever does.
    connection.ping().then(
      () => {
        polite = true;
      },
      () => undefined,
    );
    // The first session proves the sign-in.
    stock.put(await open());
  } catch (error) {
    await member.stop();
    throw error;
  }
  // A process that ends by itself leaves its files behind.
  void connection.gone.then(() => member.stop());
  return member;
}

function silent(timeout_ms: number, auth: string | undefined, cause: unknown): CcliError {
  return auth === 'oauth-personal'
    ? new CcliError(
        'cli_not_signed_in',
        'The CLI waits for somebody to sign in; sign in on the node, or set GEMINI_API_KEY there.',
        { cause },
      )
    : new CcliError('cli_crashed', `The CLI did not get ready within ${timeout_ms} ms.`, { cause });
}
