/** Requests of one line that wait for their replies. */
import { CcliError } from '../../protocol/errors.ts';

interface Waiting {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: CcliError) => void;
  readonly timer: NodeJS.Timeout;
}

export interface Pending {
  open(timeout_ms: number): { readonly id: number; readonly reply: Promise<unknown> };
  /** A reply that nobody waits for any more is dropped. */
  resolve(id: number, reply: unknown): void;
  reject(id: number, error: CcliError): void;
  /** Nothing more comes. */
  fail(cause: CcliError | undefined): void;
}

export function createPending(node: string): Pending {
  const waiting = new Map<number, Waiting>();
  let last_id = 0;

  const take = (id: number): Waiting | undefined => {
    const found = waiting.get(id);
    waiting.delete(id);
    clearTimeout(found?.timer);
    return found;
  };
  const lost = (cause?: CcliError): CcliError =>
    new CcliError('node_lost', `Node ${node} does not answer.`, { cause });

  return {
    open(timeout_ms) {
      last_id += 1;
      const id = last_id;
      const reply = new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          take(id)?.reject(lost());
        }, timeout_ms);
        waiting.set(id, { resolve, reject, timer });
      });
      return { id, reply };
    },
    resolve(id, reply) {
      take(id)?.resolve(reply);
    },
    reject(id, error) {
      take(id)?.reject(error);
    },
    fail(cause) {
      for (const id of [...waiting.keys()]) take(id)?.reject(lost(cause));
    },
  };
}
