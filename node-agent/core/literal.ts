/** A CLI takes a prompt like "/about" for a command of its own, unless something it does not trim comes first. */
const WORD_JOINER = '\u2060';

export const literal = (prompt: string): string =>
  /^\s*[/$]\s*[\w?-]+(\s|$)/.test(prompt) ? `${WORD_JOINER}${prompt}` : prompt;
