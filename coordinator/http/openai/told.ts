/** What of an answer has been told to a client who can be taken nothing back. Pure. */
import { CcliError } from '../../../protocol/errors.ts';

export interface Told {
  /** The next piece of the current attempt; returns what of it is new. @throws CcliError `reply_truncated` */
  chunk(text: string): string;
  /** Another attempt begins the answer anew. */
  restart(): void;
  /** A piece is gone: nothing can be told before the whole answer is there. */
  gap(): void;
  /** The whole answer; returns what of it is new. @throws CcliError `reply_truncated` */
  whole(response: string): string;
}

/**
 * In the OpenAI protocol, text once sent stands. An attempt that takes over goes on in silence as long as it says the
 * same; once it says something else, the answer cannot be told any more.
 */
export function createTold(): Told {
  let sent = '';
  /** Characters of the current attempt that have come and agree with `sent`. */
  let heard = 0;
  let blind = false;
  return {
    chunk(text) {
      if (blind) return '';
      const again = Math.min(text.length, sent.length - heard);
      if (again > 0 && sent.slice(heard, heard + again) !== text.slice(0, again)) throw diverged();
      const fresh = text.slice(again);
      heard += text.length;
      sent += fresh;
      return fresh;
    },
    restart() {
      heard = 0;
      blind = false;
    },
    gap() {
      blind = true;
    },
    whole(response) {
      if (response.startsWith(sent)) {
        const fresh = response.slice(sent.length);
        sent = response;
        return fresh;
      }
      // Blank lines at the end may have been taken off.
      if (sent.startsWith(response) && sent.slice(response.length).trim() === '') return '';
      throw diverged();
    },
  };
}

const diverged = (): CcliError =>
  new CcliError(
    'reply_truncated',
    'The answer began anew on another attempt after part of it was sent, and went on differently; ask again.',
  );
