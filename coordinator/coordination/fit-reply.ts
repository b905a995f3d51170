/** A reply that fits a message whatever the answers in it are. */
import type { CoordinateReply, Part } from '../../protocol/coordination.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import { cutJson } from './cut-text.ts';

/** For all texts together, as JSON. The rest is for names, reasons, notes and errors. */
const TEXT_BYTES = (MAX_MESSAGE_BYTES * 5) / 8;
const ERROR_BYTES = 2_400;
const CAUSE_BYTES = 400;
const NOTES = 64;
const NOTE_BYTES = 1_600;

export function fitReply(reply: CoordinateReply): CoordinateReply {
  const texts = reply.parts.filter(({ response }) => response !== undefined).length;
  const share = Math.floor(TEXT_BYTES / Math.max(1, texts + (reply.answer === undefined ? 0 : 1)));
  const { answer } = reply;
  const fitted = answer === undefined ? undefined : cutJson(answer, share);
  return {
    ...reply,
    parts: reply.parts.map(part => fitPart(part, share)),
    ...(fitted !== undefined && { answer: fitted.text, ...(fitted.cut && { answer_cut: true }) }),
    ...(reply.error !== undefined && { error: fitError(reply.error) }),
    notes: reply.notes.slice(0, NOTES).map(note => clip(note, NOTE_BYTES)),
  };
}

function fitPart(part: Part, share: number): Part {
  const fitted = part.response === undefined ? undefined : cutJson(part.response, share);
  return {
    ...part,
    ...(fitted !== undefined && { response: fitted.text, ...(fitted.cut && { response_cut: true }) }),
    ...(part.error !== undefined && { error: fitError(part.error) }),
  };
}

const fitError = (error: ErrorBody): ErrorBody => ({
  ...error,
  message: clip(error.message, ERROR_BYTES),
  ...(error.cause !== undefined && { cause: clip(error.cause, CAUSE_BYTES) }),
});

function clip(text: string, bytes: number): string {
  const { text: short, cut } = cutJson(text, bytes);
  return cut ? `${short}…` : text;
}
