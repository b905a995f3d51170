/**
 * Models of a few hundred KiB, in the GGUF format, that a real Ollama loads in a moment. They say one letter after
 * another, each as likely as any other of `letters`, and never come to an end by themselves.
 */
const EMBEDDING = 64;
const FEED_FORWARD = 128;
const TENSOR_ALIGNMENT = 32;

const FIRST_LETTERS = 259;
const TOKENS = [
  '<unk>',
  '<s>',
  '</s>',
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  '\u2581',
  ...Array.from({ length: 26 }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index)),
];

export function tinyModel({ letters, context = 2_048 }: { letters: string; context?: number }): Buffer {
  const tensors: readonly (readonly [string, readonly number[], (index: number) => number])[] = [
    ['token_embd.weight', [EMBEDDING, TOKENS.length], () => 1],
    ['output_norm.weight', [EMBEDDING], () => 1],
    [
      'output.weight',
      [EMBEDDING, TOKENS.length],
      index => (letters.includes(letterOf(Math.floor(index / EMBEDDING))) ? 1 : 0),
    ],
    ['blk.0.attn_norm.weight', [EMBEDDING], () => 1],
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map(
      name => [`blk.0.${name}.weight`, [EMBEDDING, EMBEDDING], () => 0] as const,
    ),
    ['blk.0.ffn_norm.weight', [EMBEDDING], () => 1],
    ['blk.0.ffn_gate.weight', [EMBEDDING, FEED_FORWARD], () => 0],
    ['blk.0.ffn_up.weight', [EMBEDDING, FEED_FORWARD], () => 0],
    ['blk.0.ffn_down.weight', [FEED_FORWARD, EMBEDDING], () => 0],
  ];
  let offset = 0;
  const infos: Buffer[] = [];
  const data: Buffer[] = [];
  for (const [name, dimensions, value] of tensors) {
    const values = Float32Array.from({ length: dimensions.reduce((a, b) => a * b) }, (_, index) =>
      value(index),
    );
    infos.push(text(name), u32(dimensions.length), ...dimensions.map(u64), u32(0), u64(offset));
    const bytes = padded(Buffer.from(values.buffer));
    data.push(bytes);
    offset += bytes.byteLength;
  }
  const facts = metadata(context);
  const head = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(facts.length), ...facts, ...infos];
  return Buffer.concat([padded(Buffer.concat(head)), ...data]);
}

const letterOf = (token: number): string => (token <= FIRST_LETTERS ? '-' : (TOKENS[token] ?? '-'));

const metadata = (context: number): Buffer[] => [
  fact('general.architecture', 8, text('llama')),
  fact('general.name', 8, text('tiny')),
  fact('general.file_type', 4, u32(0)),
  fact('llama.context_length', 4, u32(context)),
  fact('llama.embedding_length', 4, u32(EMBEDDING)),
  fact('llama.block_count', 4, u32(1)),
  fact('llama.feed_forward_length', 4, u32(FEED_FORWARD)),
  fact('llama.attention.head_count', 4, u32(4)),
  fact('llama.attention.head_count_kv', 4, u32(4)),
  fact('llama.rope.dimension_count', 4, u32(EMBEDDING / 4)),
  fact('llama.attention.layer_norm_rms_epsilon', 6, f32(1e-5)),
  fact('llama.vocab_size', 4, u32(TOKENS.length)),
  fact('tokenizer.ggml.model', 8, text('llama')),
  fact('tokenizer.ggml.tokens', 9, list(8, TOKENS.map(text))),
  fact(
    'tokenizer.ggml.scores',
    9,
    list(
      6,
      TOKENS.map((_, index) => f32(-Math.max(0, index - FIRST_LETTERS))),
    ),
  ),
  fact(
    'tokenizer.ggml.token_type',
    9,
    list(
      5,
      TOKENS.map((_, index) => u32(kindOf(index))),
    ),
  ),
  fact('tokenizer.ggml.bos_token_id', 4, u32(1)),
  fact('tokenizer.ggml.eos_token_id', 4, u32(2)),
  fact('tokenizer.ggml.unknown_token_id', 4, u32(0)),
];

/** Unknown, control, byte, normal. */
const kindOf = (index: number): number => (index === 0 ? 2 : index < 3 ? 3 : index < FIRST_LETTERS ? 6 : 1);

const fact = (key: string, type: number, value: Buffer): Buffer =>
  Buffer.concat([text(key), u32(type), value]);
const list = (type: number, values: readonly Buffer[]): Buffer =>
  Buffer.concat([u32(type), u64(values.length), ...values]);
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc(-bytes.byteLength & (TENSOR_ALIGNMENT - 1))]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
