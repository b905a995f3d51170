/** Which specialties the requirements speak of: words that a reader of a job advertisement would look for. */
import type { AgentView } from '../../protocol/operation.ts';

export type Specialty = AgentView['specialty'][number];

/** Fits any requirements; every selection has one of them. */
export const isGeneral = (specialty: Specialty): boolean =>
  specialty === 'general_ai' || specialty === 'reasoning';

/** Whole words; `+` stands for any ending, so that `test+` also finds "tests" and "testing". */
const WORDS: Readonly<Record<Specialty, string>> = {
  kernel_dev:
    'cuda kernel+ triton ptx cutlass cublas gpu gpus warp warps hip rocm opencl simd avx gemm matmul tensor-core+ shared-memory',
  pytorch_dev:
    'pytorch torch tensor tensors autograd dataloader+ nn.module training-loop+ fine-tun+ finetun+ lora transformer transformers neural backprop+ checkpoint+ loss-function+',
  profiler:
    'profil+ benchmark+ bottleneck+ latency latencies throughput slow slower slowdown speed speedup faster performance optimi+ flamegraph+ nsight perf memory-leak+ hotspot+',
  docs_writer:
    'document+ docs readme tutorial+ changelog+ docstring+ manual manuals handbook guide guides how-to release-notes api-reference',
  tester:
    'test tests tested testing testable tester coverage pytest junit unit-test+ regression+ fuzz+ mock+ assert+ flaky edge-case+ qa',
  reasoning:
    'why prove proof reason+ compare comparison trade-off+ tradeoff+ decide decision architectur+ design+ strateg+ analy+ root-cause+ explain+ plan plans evaluat+',
  general_ai: '',
};

const escaped = (word: string): string => word.replace(/[.*?^${}()|[\]\\]/g, String.raw`\$&`);

/** A hyphen in the table is also found as a blank or as nothing. */
const pattern = (word: string): string =>
  escaped(word.replace(/\+$/, '')).split('-').join('[ -]?') + (word.endsWith('+') ? String.raw`\w*` : '');

const EXPRESSIONS: ReadonlyMap<Specialty, RegExp> = new Map(
  (Object.entries(WORDS) as [Specialty, string][])
    .filter(([, words]) => words !== '')
    .map(([specialty, words]) => [
      specialty,
      new RegExp(String.raw`(?<![\w])(?:${words.split(' ').map(pattern).join('|')})(?![\w])`, 'gi'),
    ]),
);

/** The words of each specialty that the requirements use, each once, in order of appearance. */
export type Relevance = ReadonlyMap<Specialty, readonly string[]>;

/** Beyond it a text says nothing new about what it is about. */
const LOOKED_AT_CHARS = 100_000;
const LONGEST_WORD = 40;

export function relevanceOf(requirements: string): Relevance {
  const text = requirements.slice(0, LOOKED_AT_CHARS);
  return new Map(
    [...EXPRESSIONS].map(([specialty, expression]) => [
      specialty,
      [...new Set([...text.matchAll(expression)].map(([word]) => word.toLowerCase().slice(0, LONGEST_WORD)))],
    ]),
  );
}
