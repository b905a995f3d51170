/** Where a secret is: a path, or `credential:NAME` for one that is looked for when it is needed. */
import { z } from 'zod';
import { isCredential } from '../../protocol/daemon/credential.ts';
import { PathSchema } from '../../protocol/daemon/settings.ts';

export const SecretFileSchema = z
  .string()
  .min(1)
  .transform(value => (isCredential(value) ? value : PathSchema.parse(value)));
