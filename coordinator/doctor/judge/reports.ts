import { fail, ok, type Verdict, warn } from '../../../protocol/finding.ts';

/** Of the consumer that folds reports; undefined when there is none. */
export type ReportsFacts =
  | {
      /** In the stream, and not yet given to anybody. */
      readonly pending: number;
      /** Given to the coordinator, which has not acknowledged them. */
      readonly unacknowledged: number;
      /** Whether somebody asks for them. */
      readonly pulled: boolean;
    }
  | undefined;

/** More than a busy fleet has under way at any moment. */
const MANY = 1_000;

export function judgeReports(facts: ReportsFacts): readonly Verdict[] {
  if (facts === undefined) {
    return [
      fail(
        'Nobody takes the reports of the nodes: their consumer is missing.',
        'Start a coordinator; the one that leads makes it anew.',
        { code: 'no_coordinator' },
      ),
    ];
  }
  const { pending, unacknowledged, pulled } = facts;
  const says = `${pending} reports wait, ${unacknowledged} are being folded.`;
  if (pending > 0 && !pulled) {
    return [
      fail(
        `Nobody takes the reports of the nodes; ${says}`,
        'Look at the log of the coordinator that leads, and start it anew.',
        { code: 'no_coordinator' },
      ),
    ];
  }
  if (pending + unacknowledged > MANY) {
    return [
      warn(
        `The coordinator does not keep up with the reports of the nodes: ${says}`,
        'Look at its log and at the load of its host and of the NATS server.',
      ),
    ];
  }
  return [ok(`Reports are taken as they come: ${says}`)];
}
