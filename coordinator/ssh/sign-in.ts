/** Signs in at a host: offers one key after the other, and knows afterwards why none was taken. */
import {
  type AgentAuthMethod,
  BaseAgent,
  type IdentityCallback,
  type NoAuthMethod,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import { CcliError } from '../../protocol/errors.ts';
import type { ClientConfig } from './client-config.ts';
import { isCcliError } from './failure.ts';
import type { KeyOffer, Offers } from './offers.ts';

interface SignInOptions {
  readonly config: ClientConfig;
  readonly offers: Offers;
  /** Around the time in which a person may be typing a passphrase. */
  readonly onWait: (waiting: boolean) => void;
}

/**
 * To the SSH library every key looks like one of an agent: so signatures may take their time, and a key is unlocked only
 * when the host has said that it would take it.
 */
export class SignIn extends BaseAgent<ParsedKey> {
  readonly #options: SignInOptions;
  /** Of keys that the host would have taken. */
  #refusals: Error[] = [];
  #tries = 0;
  #methods: readonly string[] | undefined;

  constructor(options: SignInOptions) {
    super();
    this.#options = options;
  }

  /**
   * What to try next, false for nothing. After the keys, "none" is tried, for the library tells what else a host would
   * take only then.
   */
  readonly handler = (methods: readonly string[] | null): AgentAuthMethod | NoAuthMethod | false => {
    const { user: username } = this.#options.config;
    this.#methods = methods ?? undefined;
    this.#tries += 1;
    if (this.#tries === 1) return { type: 'agent', username, agent: this };
    return this.#tries === 2 ? { type: 'none', username } : false;
  };

  override getIdentities(done: IdentityCallback<ParsedKey>): void {
    done(
      null,
      this.#options.offers.offers.map(offer => offer.public_key),
    );
  }

  override sign(
    key: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    done: SignCallback = () => undefined,
  ): void {
    const { offers, onWait } = this.#options;
    const offer = offers.offers.find(({ public_key }) => public_key === key);
    const answer = typeof options === 'function' ? options : done;
    onWait(true);
    signed(offer, data, typeof options === 'function' ? {} : options)
      .then(signature => {
        onWait(false);
        answer(null, signature);
      })
      .catch((error: unknown) => {
        onWait(false);
        const failure = error instanceof Error ? error : new Error(String(error));
        this.#refusals.push(failure);
        answer(failure);
      });
  }

  /** Why the host let nobody in. */
  failure(cause: unknown): CcliError {
    const { config, offers } = this.#options;
    const locked = this.#refusals.find(error => isCcliError(error, 'ssh_key_locked'));
    if (isCcliError(locked)) return locked;
    const who = `${config.user}@${config.name}`;
    const tried = offers.offers.map(offer => offer.label);
    const left_out = offers.left_out.length === 0 ? '' : ` Left out: ${offers.left_out.join('; ')}.`;
    const many = /too many/i.test(cause instanceof Error ? cause.message : '')
      ? ' It broke off after some of them: name the right one with IdentityFile and set IdentitiesOnly.'
      : '';
    const failed = this.#refusals.map(error => ` A signature failed: ${error.message}.`).join('');
    if (tried.length === 0)
      return new CcliError(
        'ssh_auth_failed',
        `There is no key to sign in with as ${who}; name one with IdentityFile, or load one into an agent.${left_out}`,
        { cause },
      );
    const wants =
      this.#methods === undefined || this.#methods.includes('publickey')
        ? ''
        : ` It wants ${this.#methods.join(' or ')}, and ccli signs in with keys alone.`;
    return new CcliError(
      'ssh_auth_failed',
      `${config.name} lets ${config.user} in with none of these keys: ${tried.join(', ')}; add one to its authorized_keys, or look at the log of sshd there.${many}${wants}${failed}${left_out}`,
      { cause },
    );
  }
}

function signed(offer: KeyOffer | undefined, data: Buffer, options: SigningRequestOptions): Promise<Buffer> {
  return offer === undefined
    ? Promise.reject(new Error('a key that was not offered'))
    : offer.sign(data, options);
}
