import type { SlackServer } from '../slack/server.ts';
import type { Crew } from './crew.ts';
import type { OwnServices } from './own-services.ts';
import { type Fault, isFault, type Plan } from './plan.ts';

export interface FaultDeps {
  crew: Crew;
  services: OwnServices;
  slack: SlackServer;
}

const METHODS = {
  posting: ['chat.postMessage', 'chat.startStream'],
  editing: ['chat.update', 'chat.appendStream', 'chat.stopStream'],
  reading: ['conversations.replies', 'conversations.history', 'users.info'],
};

const MINUTE_MS = 61_000;

/** Do it, as far as the next step may follow: a freeze or a cut goes on meanwhile. */
export async function inject({ crew, services, slack }: FaultDeps, fault: Fault): Promise<void> {
  switch (fault.do) {
    case 'kill':
      return crew.kill(fault.member, fault);
    case 'restart':
      return crew.restart(fault.member);
    case 'freeze':
      return crew.freeze(fault.member, fault.ms);
    case 'kill_mongodb':
      return services.killMongodb();
    case 'kill_redis':
      return services.killRedis(fault);
    case 'flush_redis':
      return services.flushRedis();
    case 'cut':
      services.cut(fault.service, fault.ms);
      return;
    case 'lose_answer':
      services.loseAnswer(fault.service);
      return;
    case 'slack_answer': {
      const methods = METHODS[fault.of];
      if (fault.answer === 'lost') slack.faults.loseResponse(...methods);
      else if (fault.answer === '429') slack.faults.rateLimit(methods, 1);
      else slack.faults.fail(methods, 500);
      return;
    }
    case 'event_again':
      if (fault.how === 'doubled') slack.outbox.duplicateNext();
      else if (slack.outbox.attempts.length > 0) void slack.outbox.redeliverLast();
      return;
    case 'sockets':
      if (fault.how === 'cut') slack.sockets.cut();
      else slack.sockets.refresh();
      return;
    case 'minute':
      return slack.clock.advance(MINUTE_MS);
    default:
      return fault satisfies never;
  }
}

/** What a plan holds, by its name in a report. Over HTTP there are no sockets. */
export function kindsOf({ mode, steps }: Plan): string[] {
  const faults = steps.flatMap(({ act }) => (isFault(act) && (mode === 'socket' || act.do !== 'sockets') ? [act] : []));
  return [...new Set(faults.map(nameOf))];
}

/** What the report calls it. */
export function nameOf(fault: Fault): string {
  switch (fault.do) {
    case 'kill':
    case 'restart':
    case 'freeze':
      return `${{ kill: 'SIGKILL', restart: 'SIGTERM', freeze: 'SIGSTOP' }[fault.do]} of a ${fault.member.split('-')[0]}`;
    case 'kill_mongodb':
      return 'MongoDB killed and started again';
    case 'kill_redis':
      return fault.keep_data ? 'Redis killed and started again' : 'Redis killed and started empty';
    case 'flush_redis':
      return 'Redis FLUSHALL';
    case 'cut':
      return `${fault.service === 'mongodb' ? 'MongoDB' : 'Redis'} out of reach`;
    case 'lose_answer':
      return `${fault.service === 'mongodb' ? 'MongoDB' : 'Redis'} carries out a write and its answer is lost`;
    case 'slack_answer':
      return `Slack answers ${fault.answer}`;
    case 'event_again':
      return `Slack event ${fault.how}`;
    case 'sockets':
      return `Slack sockets ${fault.how === 'cut' ? 'cut' : 'asked to come again'}`;
    case 'minute':
      return "a minute passes on Slack's clock";
    default:
      return fault satisfies never;
  }
}
