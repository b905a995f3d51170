/** What a benchmark is to the program that runs it. */

export interface BenchmarkIo {
  /** Aborts on Ctrl-C: the benchmark then clears up and rejects. */
  readonly signal: AbortSignal;
  /** Results, on stdout. */
  readonly print: (text: string) => void;
  /** What is going on, on stderr. */
  readonly say: (text: string) => void;
}

export interface Benchmark {
  /** One line for the list of benchmarks. */
  readonly about: string;
  /** Never rejects because something was slow; the verdict is in what it prints. */
  run(args: readonly string[], io: BenchmarkIo): Promise<void>;
}
