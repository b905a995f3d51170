// Loaded with `node --import`: gives a process a clock of its own. The file named by CLOCK_OFFSET_FILE holds by how
// many milliseconds it is off; it is read at the start and whenever the process is continued after a stop.
import { readFileSync } from 'node:fs';

const file = process.env.CLOCK_OFFSET_FILE;
const TrueDate = Date;
let offset = 0;

function look() {
  try {
    offset = Number(readFileSync(file, 'utf8')) || 0;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

const now = () => TrueDate.now() + offset;

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new TrueDate(now()).toString(),
  get: (target, property, receiver) => (property === 'now' ? now : Reflect.get(target, property, receiver)),
});

if (file !== undefined) {
  look();
  process.on('SIGCONT', look);
}
