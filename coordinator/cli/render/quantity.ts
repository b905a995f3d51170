/** Durations, sizes and ages as people read them. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `12 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / SECOND).toFixed(1)} s`;
  // Rounded before it is split, so that no part ever reads 60.
  const seconds = Math.round(ms / SECOND) * SECOND;
  if (seconds < HOUR) return pair(seconds, MINUTE, 'min', SECOND, 's');
  const minutes = Math.round(ms / MINUTE) * MINUTE;
  if (minutes < DAY) return pair(minutes, HOUR, 'h', MINUTE, 'min');
  return pair(Math.round(ms / HOUR) * HOUR, DAY, 'd', HOUR, 'h');
}

function pair(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  const head = `${Math.floor(ms / large)} ${largeName}`;
  return rest === 0 ? head : `${head} ${rest} ${smallName}`;
}

const SIZES = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `17 B`, `1.5 KiB`, `12 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let amount = bytes / 1024;
  let unit = 0;
  while (amount >= 1023.5 && unit < SIZES.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  const text = amount < 9.95 ? amount.toFixed(1).replace(/\.0$/, '') : amount.toFixed(0);
  return `${text} ${SIZES[unit] ?? 'TiB'}`;
}

/** How long ago, in one unit: `just now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`. */
export function age(at_ms: number, now_ms: number): string {
  const ms = now_ms - at_ms;
  if (ms < SECOND) return 'just now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}
