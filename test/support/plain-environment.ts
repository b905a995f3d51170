/** What a program of ours needs of the environment, without any key or address that the machine happens to have. */
const NEEDED = [
  'PATH',
  'HOME',
  'LANG',
  'TMPDIR',
  'XDG_CACHE_HOME',
  'CCLI_TEST_RUN',
  'CCLI_NATS_SERVER',
] as const;

export const plainEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    NEEDED.flatMap(name => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
