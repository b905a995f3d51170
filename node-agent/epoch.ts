/** The highest coordinator epoch this node has seen: what an older coordinator asks is refused. */

export interface EpochFence {
  readonly epoch: number;
  /** What the last life had seen. */
  restore(epoch: number): void;
  /**
   * Resolves once the epoch is on disk: nothing is done under it before, so that no later life obeys an older
   * coordinator. Rejects when it cannot be written; whoever asks next tries again.
   */
  see(epoch: number): Promise<void>;
}

export function createEpochFence(write: (epoch: number) => Promise<void>): EpochFence {
  let highest = 0;
  let saved = 0;
  let saving: Promise<void> = Promise.resolve();

  const save = async (previous: Promise<void>, epoch: number): Promise<void> => {
    // Whoever asked for the previous one has been told of its failure.
    await previous.catch(() => undefined);
    try {
      await write(epoch);
      saved = epoch;
    } catch (error) {
      if (highest === epoch) {
        highest = saved;
        saving = Promise.resolve();
      }
      throw error;
    }
  };

  return {
    get epoch() {
      return highest;
    },
    restore(epoch) {
      highest = epoch;
      saved = epoch;
    },
    see(epoch) {
      if (epoch > highest) {
        highest = epoch;
        saving = save(saving, epoch);
      }
      return saving;
    },
  };
}
