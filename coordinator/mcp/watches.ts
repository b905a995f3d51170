/** Resources that somebody is interested in: each is watched once, however many hold it. */
import { setMaxListeners } from 'node:events';
import type { TaskStatus } from '../../protocol/task.ts';
import type { McpDoor } from './door.ts';
import { watchResource } from './watch-resource.ts';

export interface Watches {
  /**
   * @param known status of the task when the interest began, if it is known
   * @returns what ends this interest, once
   */
  readonly hold: (uri: string, known?: TaskStatus) => () => void;
  readonly close: () => void;
}

interface Watch {
  holders: number;
  readonly end: AbortController;
}

export function createWatches(door: McpDoor, onChange: (uri: string) => void): Watches {
  const watched = new Map<string, Watch>();
  return {
    hold(uri, known) {
      const watch = watched.get(uri) ?? begin(uri, known);
      watch.holders += 1;
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        watch.holders -= 1;
        if (watch.holders > 0) return;
        watch.end.abort();
        watched.delete(uri);
      };
    },
    close() {
      for (const { end } of watched.values()) end.abort();
      watched.clear();
    },
  };

  function begin(uri: string, known: TaskStatus | undefined): Watch {
    const watch = { holders: 0, end: new AbortController() };
    // Whatever is asked for it listens to this one.
    setMaxListeners(0, watch.end.signal);
    watched.set(uri, watch);
    const tell = (): void => {
      if (!watch.end.signal.aborted) onChange(uri);
    };
    void watchResource(door, uri, tell, { signal: watch.end.signal, known });
    return watch;
  }
}
