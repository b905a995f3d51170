/** Puts a session into the mode and on the model that its task needs, by what the CLI has announced. */
import { CcliError } from '../../../protocol/errors.ts';
import { type Choice, type OpenedSession, valueNamed } from './announced.ts';
import type { AcpConnection } from './connection.ts';

/** Values named in a message. */
const MOST_NAMED = 20;

/** @throws CcliError `model_not_found` where the CLI refuses it, does not have it, or cannot be told any. */
export async function switchModel(
  connection: Pick<AcpConnection, 'choose'>,
  session: OpenedSession,
  wanted: string,
): Promise<void> {
  const { model } = session;
  if (model === undefined)
    throw new CcliError(
      'model_not_found',
      `The CLI cannot be told which model to use, so "${wanted}" cannot be had from it; name none.`,
    );
  if (model.current === wanted) return;
  const value = valueNamed(model, wanted);
  // A CLI with a method of its own may know more models than it lists.
  if (value === undefined && model.option !== undefined) throw unknown(wanted, model);
  await connection.choose(session.id, 'model', model, {
    value: value ?? wanted,
    refused: cause => unknown(wanted, model, cause),
  });
}

/**
 * A mode rules which tools run without asking, so one that is missing must not pass unseen.
 *
 * @throws CcliError `config_invalid`
 */
export async function enterMode(
  connection: Pick<AcpConnection, 'choose'>,
  session: OpenedSession,
  wanted: string,
): Promise<void> {
  const { mode } = session;
  if (mode?.current === wanted) return;
  if (mode === undefined || !mode.values.some(({ id }) => id === wanted)) throw missing(wanted, mode);
  await connection.choose(session.id, 'mode', mode, {
    value: wanted,
    refused: cause => missing(wanted, mode, cause),
  });
}

const missing = (wanted: string, mode: Choice | undefined, cause?: unknown): CcliError =>
  new CcliError(
    'config_invalid',
    `The CLI does not enter the mode "${wanted}", which its tool policy rests on (${named(mode)}); name another one in \`modes\` of the agent.`,
    { cause },
  );

const unknown = (wanted: string, model: Choice, cause?: unknown): CcliError =>
  new CcliError('model_not_found', `The CLI does not take the model "${wanted}" (${named(model)}).`, {
    cause,
  });

function named(choice: Choice | undefined): string {
  const ids = (choice?.values ?? []).map(({ id }) => id);
  if (ids.length === 0) return 'it names none';
  const more = ids.length > MOST_NAMED ? `, and ${ids.length - MOST_NAMED} more` : '';
  return `it has ${ids.slice(0, MOST_NAMED).join(', ')}${more}`;
}
