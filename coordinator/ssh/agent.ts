/** An SSH agent: what it holds, and signatures by it. */
import ssh2, { createAgent, type ParsedKey, type SigningRequestOptions } from 'ssh2';

export class Agent {
  readonly #agent: ReturnType<typeof createAgent>;

  constructor(socket: string) {
    this.#agent = createAgent(socket);
  }

  /** Keys of kinds that we do not know are left out. */
  identities(): Promise<readonly ParsedKey[]> {
    return new Promise((resolve, reject) => {
      this.#agent.getIdentities((error, keys = []) => {
        if (error instanceof Error) {
          reject(error);
          return;
        }
        resolve(
          [...keys].flatMap(key => {
            if (typeof key === 'object' && 'pubKey' in key) return [];
            const parsed = ssh2.utils.parseKey(key);
            return parsed instanceof Error ? [] : [parsed];
          }),
        );
      });
    });
  }

  sign(key: ParsedKey, data: Buffer, options: SigningRequestOptions): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#agent.sign(key, data, options, (error, signature) => {
        if (signature === undefined || error instanceof Error)
          reject(error instanceof Error ? error : new Error('the agent gave no signature'));
        else resolve(signature);
      });
    });
  }
}
