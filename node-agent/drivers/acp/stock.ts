/** Sessions made before the tasks that will use them. */

interface Stock<Session> {
  put(session: Session): void;
  /** One that is ready, one on its way, or a new one. */
  take(): Promise<Session>;
  /** Makes sessions until there are enough; not while the process is being left. */
  replenish(): Promise<void>;
}

interface StockOptions<Session> {
  readonly enough: number;
  readonly open: () => Promise<Session>;
  /** Asked anew each time: it changes while we wait. */
  readonly alive: () => boolean;
}

export function createStock<Session>({ enough, open, alive }: StockOptions<Session>): Stock<Session> {
  const ready: Session[] = [];
  let replenishing: Promise<void> | undefined;
  /** True only while a session is being made that a claim would get: `replenishing` settles a moment later. */
  let filling = false;
  /** A task that waits for the session being made. */
  let claim: { resolve(session: Session): void; reject(error: unknown): void } | undefined;

  const fill = async (): Promise<void> => {
    while (alive() && ready.length < enough) {
      let session: Session;
      filling = true;
      try {
        session = await open();
      } catch (error) {
        claim?.reject(error);
        claim = undefined;
        // A process that is ending makes no more sessions: that is no failure of its own.
        if (!alive()) return;
        throw error;
      } finally {
        filling = false;
      }
      if (claim === undefined) ready.push(session);
      else claim.resolve(session);
      claim = undefined;
    }
  };

  return {
    put(session) {
      ready.push(session);
    },
    async take() {
      const session = ready.shift();
      if (session !== undefined) return session;
      // One that is on its way comes sooner than another one beside it: the CLI makes them on one thread.
      if (!filling || claim !== undefined) return open();
      return new Promise((resolve, reject) => {
        claim = { resolve, reject };
      });
    },
    replenish() {
      replenishing ??= fill().finally(() => {
        replenishing = undefined;
      });
      return replenishing;
    },
  };
}
