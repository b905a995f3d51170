/** A request to `/v1` that names what cannot be done, or what nobody knows. */
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';

/** As any error of ours, with the parameter at fault for OpenAI's `param`: `messages[1].content`. */
export class ParameterError extends CcliError {
  readonly param: string;

  constructor(code: ErrorCode, param: string, message: string) {
    super(code, message);
    this.param = param;
  }
}
