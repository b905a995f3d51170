/** Takes a slice of a long prompt ahead of its submit. */
import { CcliError } from '../protocol/errors.ts';
import type { OperationReply, OperationRequest } from '../protocol/operation.ts';
import type { TaskStore } from './store.ts';
import type { StoreUsage } from './store-usage.ts';

interface UploadOptions {
  readonly store: TaskStore;
  readonly usage: Pick<StoreUsage, 'refusal' | 'count'>;
}

export type Upload = (request: OperationRequest<'upload'>) => Promise<OperationReply<'upload'>>;

/** Besides its bytes, a slice costs its name and the mark of its end. */
const OBJECT_BYTES = 1024;

/** @throws CcliError `idempotency_conflict`, `store_full` */
export function createUpload({ store, usage }: UploadOptions): Upload {
  return async ({ task_id, index, data }) => {
    const bytes = Buffer.from(data, 'base64');
    const submitted = await store.request(task_id);
    if (submitted !== undefined) {
      // A caller that missed an answer may begin anew; what it sent before stands.
      const stored = await store.promptSlice(submitted.request, index);
      if (stored !== undefined && bytes.equals(stored)) return { stored: true };
      throw new CcliError(
        'idempotency_conflict',
        `Task ${task_id} is already submitted with another text; upload under a new id.`,
      );
    }
    const need = { tasks: 0, blobs: bytes.byteLength + OBJECT_BYTES };
    const refusal = usage.refusal(need);
    if (refusal !== undefined) throw refusal;
    usage.count(need);
    await store.putUpload(task_id, index, bytes);
    return { stored: true };
  };
}
