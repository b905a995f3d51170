/** Tells what came of a coordination: answers on stdout, everything else on stderr. */
import type { CoordinateReply, Part } from '../../../protocol/coordination.ts';
import { ERRORS, toErrorBody } from '../../../protocol/errors.ts';
import type { CallContext } from '../../caller.ts';
import type { Operations } from '../../operations.ts';
import { wholeResponse } from '../../stream/transfer.ts';
import type { Cli } from '../cli.ts';
import { safeForTerminal } from '../output.ts';
import type { Progress } from '../progress.ts';
import { answerHead, whoAnswered } from '../render/coordination.ts';
import { writeError } from '../render/error.ts';

interface ShowOptions {
  readonly cli: Cli;
  readonly operations: Operations;
  readonly context: CallContext;
  readonly json: boolean;
  readonly progress: Progress;
}

export async function showReply(reply: CoordinateReply, options: ShowOptions): Promise<number> {
  const { cli, json, progress } = options;
  if (json) cli.json(await wholeReply(reply, options));
  else if (reply.answer_task_id === undefined) await printAll(reply, options);
  else await printOne(reply, options);
  cli.stdout.freshLine();
  for (const note of reply.notes) {
    if (reply.status === 'completed') progress.note(safeForTerminal(note));
    else warn(cli, note);
  }
  if (reply.error === undefined) return 0;
  writeError(cli.stderr, reply.error);
  return ERRORS[reply.error.code].exit;
}

const warn = ({ stderr }: Cli, text: string): void => {
  stderr.line(`${stderr.colors.yellow('warning')} ${safeForTerminal(text)}`);
};

async function printOne(reply: CoordinateReply, options: ShowOptions): Promise<void> {
  const { cli, progress } = options;
  const { answer, answer_cut, answer_task_id } = reply;
  const cut = answer === undefined || answer_cut === true;
  const text = cut && answer_task_id !== undefined ? await whole(answer_task_id, options) : answer;
  print(cli, text ?? answer ?? '');
  const who = whoAnswered(reply);
  if (who !== undefined) {
    cli.stdout.freshLine();
    progress.note(safeForTerminal(who));
  }
}

/** What a failed part had said before it failed is worth reading too: its head tells. */
async function printAll({ parts }: CoordinateReply, options: ShowOptions): Promise<void> {
  const { cli } = options;
  const shown = parts.filter(({ role, response }) => role === 'answer' && response !== undefined);
  for (const [index, part] of shown.entries()) {
    const text = (await wholePart(part, options)).response ?? '';
    cli.stdout.write(`${index === 0 ? '' : '\n'}${answerHead(part, cli.stdout.colors)}\n\n`);
    print(cli, text.endsWith('\n') ? text : `${text}\n`);
  }
}

const print = ({ stdout }: Cli, text: string): void => {
  stdout.write(stdout.tty ? safeForTerminal(text) : text);
};

async function wholeReply(reply: CoordinateReply, options: ShowOptions): Promise<CoordinateReply> {
  const parts: Part[] = [];
  // One after the other: each may be as long as an answer can be.
  for (const part of reply.parts) parts.push(await wholePart(part, options));
  const { answer_cut, ...rest } = reply;
  const source = parts.find(({ task_id }) => task_id === reply.answer_task_id);
  if (answer_cut === undefined || source?.response === undefined) return { ...reply, parts };
  return {
    ...rest,
    parts,
    answer: source.response,
    ...(source.response_cut === true && { answer_cut: true }),
  };
}

async function wholePart(part: Part, options: ShowOptions): Promise<Part> {
  const { response_cut, ...rest } = part;
  if (response_cut === undefined) return part;
  const response = await whole(part.task_id, options);
  return response === undefined ? part : { ...rest, response };
}

/** Undefined, with a warning, when only the beginning that the reply has can be had. */
async function whole(
  task_id: string,
  { cli, operations, context }: ShowOptions,
): Promise<string | undefined> {
  try {
    const view = await operations.get({ task_id }, context);
    return await wholeResponse(operations, view, context);
  } catch (error) {
    context.signal.throwIfAborted();
    const { code, message } = toErrorBody(error);
    warn(
      cli,
      `Only the beginning of an answer could be fetched (${code}: ${message}); \`ccli task wait ${task_id}\` prints the whole.`,
    );
    return undefined;
  }
}
