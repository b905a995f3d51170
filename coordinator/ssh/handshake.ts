/** From a byte stream to a host to an SSH client that is signed in there. */
import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';
import { offerFor } from './algorithms.ts';
import type { ClientConfig } from './client-config.ts';
import { reasonOf, type Stage, stageTimeout } from './failure.ts';
import { handshakeFailure, isAboutKeys } from './handshake-failure.ts';
import { fingerprint, type HostKeyCheck, hostKeyCheck, keyType } from './host-key.ts';
import type { Keyring } from './keyring.ts';
import { findOffers, type Offers } from './offers.ts';
import { SignIn } from './sign-in.ts';

export interface SignedIn {
  readonly client: Client;
  readonly handshake_ms: number;
  readonly auth_ms: number;
  readonly host_key: string;
}

export interface Prepared {
  readonly host_key_check: HostKeyCheck;
  readonly offers: Offers;
}

interface Options {
  readonly prepared: Prepared;
  readonly timeout_ms: number;
  readonly signal: AbortSignal;
}

/** What is known of the host's key, and the keys there are for it. @throws CcliError `ssh_config_unsupported` */
export async function prepare(
  config: ClientConfig,
  { keyring, timeout_ms }: { readonly keyring: Keyring; readonly timeout_ms: number },
): Promise<Prepared> {
  const [host_key_check, offers] = await Promise.all([
    hostKeyCheck(config),
    findOffers(config, keyring, timeout_ms),
  ]);
  return { host_key_check, offers };
}

/** The stream is destroyed when it fails. @throws CcliError as `SshHost.probe` */
export async function signIn(
  stream: Duplex,
  config: ClientConfig,
  { prepared: { host_key_check, offers }, timeout_ms, signal }: Options,
): Promise<SignedIn> {
  try {
    signal.throwIfAborted();
    return await new Promise<SignedIn>((resolve, reject) => {
      const client = new Client();
      const began = performance.now();
      let handshake_ms = 0;
      let host_key = '';
      let refused: unknown;
      let timer: NodeJS.Timeout | undefined;
      let stage: Stage = 'handshake';

      const fail = (error: Error): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        reject(error);
        stream.destroy();
      };
      const onAbort = (): void => {
        fail(reasonOf(signal));
      };
      const limit = (): void => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          fail(stageTimeout(config.name, stage, timeout_ms));
        }, timeout_ms);
      };
      const sign_in = new SignIn({
        config,
        offers,
        onWait: waiting => {
          if (waiting) clearTimeout(timer);
          else limit();
        },
      });
      const failureOf = (error: unknown): Error => {
        if (refused instanceof Error) return refused;
        return isAboutKeys(error, stage) ? sign_in.failure(error) : handshakeFailure(config, error);
      };

      limit();
      signal.addEventListener('abort', onAbort, { once: true });
      client
        .on('error', error => {
          // The library goes on to the next key by itself.
          if (error.level !== 'agent') fail(failureOf(error));
        })
        .on('close', () => {
          fail(failureOf(new Error('it closed the connection')));
        })
        .once('handshake', () => {
          handshake_ms = performance.now() - began;
          stage = 'auth';
          limit();
        })
        .once('ready', () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          client.removeAllListeners('close');
          resolve({ client, handshake_ms, auth_ms: performance.now() - began - handshake_ms, host_key });
        })
        .connect({
          sock: stream,
          username: config.user,
          readyTimeout: 0,
          keepaliveInterval: 0,
          algorithms: offerFor(config.algorithms, host_key_check.types),
          authHandler: sign_in.handler,
          // Called again each time the keys are renewed.
          hostVerifier: (key: Buffer): boolean => {
            try {
              host_key_check.check(key);
              host_key = `${keyType(key)} ${fingerprint(key)}`;
              return true;
            } catch (error) {
              refused = error;
              return false;
            }
          },
        });
    });
  } catch (error) {
    stream.destroy();
    throw error;
  }
}
