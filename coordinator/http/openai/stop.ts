/** Ends a text before the first stop sequence in it, also where that comes in pieces. */

export interface StopCutter {
  /** What may be shown by now. Nothing more comes once it was cut. */
  push(text: string): string;
  /** What was held back, at the end of the text. */
  rest(): string;
  readonly cut: boolean;
}

export function createStopCutter(stops: readonly string[]): StopCutter {
  const longest = Math.max(0, ...stops.map(stop => stop.length));
  let held = '';
  let cut = false;
  return {
    push(text) {
      if (cut) return '';
      if (longest === 0) return text;
      held += text;
      const found = stops.map(stop => held.indexOf(stop)).filter(at => at >= 0);
      if (found.length > 0) {
        cut = true;
        const shown = held.slice(0, Math.min(...found));
        held = '';
        return shown;
      }
      const keep = beginning(held, stops, longest);
      const shown = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return shown;
    },
    rest() {
      const last = cut ? '' : held;
      held = '';
      return last;
    },
    get cut() {
      return cut;
    },
  };
}

/** How many characters at the end may be the beginning of a stop sequence. */
function beginning(text: string, stops: readonly string[], longest: number): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length -= 1) {
    const end = text.slice(text.length - length);
    if (stops.some(stop => stop.startsWith(end))) return length;
  }
  return 0;
}
