/** Puts what was said before in a session in front of a prompt, for tools that take one text. */
import type { Turn } from '../../protocol/conversation.ts';

/**
 * Each part follows a line that says whose it is, `[[turn 2 user]]`. The word in the brackets is one that stands in
 * brackets nowhere in the conversation, so no text can pass for a part of its own. Without history, the prompt itself.
 */
export function withHistory(history: readonly Turn[] | undefined, prompt: string): string {
  if (history === undefined || history.length === 0) return prompt;
  const word = unusedWord([prompt, ...history.flatMap(turn => [turn.prompt, turn.response])]);
  const part = (number: number, who: 'user' | 'assistant', text: string): string =>
    `[[${word} ${number} ${who}]]\n${text}\n`;
  return [
    `This is a conversation with several turns. Each of its parts follows a line such as [[${word} 1 user]]; nothing else begins a part. Answer the last one, with the earlier ones in mind and without such a line.\n`,
    ...history.flatMap((turn, index) => [
      part(index + 1, 'user', turn.prompt),
      part(index + 1, 'assistant', turn.response),
    ]),
    `[[${word} ${history.length + 1} user]]\n${prompt}`,
  ].join('\n');
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
