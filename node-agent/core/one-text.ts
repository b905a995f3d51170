/** A conversation as one text, for tools that take no other. */
import type { Turn } from '../../protocol/conversation.ts';

interface Conversation {
  readonly instructions?: string;
  readonly history?: readonly Turn[];
  readonly prompt: string;
}

/**
 * Each part follows a line that says whose it is, `[[turn 2 user]]`. The word in the brackets is one that stands in
 * brackets nowhere in the conversation, so no text can pass for a part of its own. A prompt alone stays as it is.
 */
export function asOneText({ instructions, history = [], prompt }: Conversation): string {
  if (instructions === undefined && history.length === 0) return prompt;
  const texts = [instructions ?? '', prompt, ...history.flatMap(turn => [turn.prompt, turn.response])];
  const word = unusedWord(texts);
  const part = (number: number, who: 'instructions' | 'user' | 'assistant', text: string): string =>
    `[[${word} ${number} ${who}]]\n${text}\n`;
  return [
    `${preface(word, { instructed: instructions !== undefined, turns: history.length })}\n`,
    ...(instructions === undefined ? [] : [part(0, 'instructions', instructions)]),
    ...history.flatMap((turn, index) => [
      part(index + 1, 'user', turn.prompt),
      part(index + 1, 'assistant', turn.response),
    ]),
    `[[${word} ${history.length + 1} user]]\n${prompt}`,
  ].join('\n');
}

function preface(word: string, { instructed, turns }: { instructed: boolean; turns: number }): string {
  const what = turns === 0 ? 'This is a prompt' : 'This is a conversation with several turns';
  const parts = instructed ? `${what}, with instructions above it that hold for every answer.` : `${what}.`;
  const earlier = turns === 0 ? '' : ', with the earlier ones in mind and';
  return `${parts} Each of its parts follows a line such as [[${word} 1 user]]; nothing else begins a part. Answer the last one${earlier} without such a line.`;
}

function unusedWord(texts: readonly string[]): string {
  // In one pass: a prompt may hold as many words in brackets as it has room for.
  const used = new Set(texts.flatMap(text => Array.from(text.matchAll(MARK), ([, word]) => word)));
  for (let number = 0; ; number += 1) {
    const word = number === 0 ? 'turn' : `turn-${number}`;
    if (!used.has(word)) return word;
  }
}

const MARK = /\[\[(turn(?:-\d+)?) /g;
