import { setTimeout as sleep } from 'node:timers/promises';
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { messageOf } from '../../../src/errors.ts';
import type { Sent } from './evidence.ts';
import { type Job, jobText } from './jobs.ts';
import { type Deed, type PlannedSession, verdictOf } from './plan.ts';

/** Between two looks of a client, and two tries of one that got no answer, in milliseconds. */
const LOOK_MS = 250;

/** Programs that use the API: one session each, and no retries of the SDK's, so that each knows what it sent. */
export interface ApiPeople {
  act(session: PlannedSession, deed: Deed): void;
  sent(): Sent[];
  /** What they were told instead of being served. */
  refusals: string[];
  isQuiet(): boolean;
  stop(): Promise<void>;
}

interface Client {
  id: Promise<string>;
  /** Its deeds, one after another. */
  busy: Promise<void>;
  waiting: number;
}

export function createApiPeople(
  client: Anthropic,
  agents: { open: string; careful: string; environment_id: string },
  seed: number,
): ApiPeople {
  const clients = new Map<string, Client>();
  const sent: Sent[] = [];
  const refusals: string[] = [];
  const watching: Promise<void>[] = [];
  const { sessions } = client.beta;
  let over = false;

  async function until<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (over || isRefusal(error)) throw error;
        await sleep(LOOK_MS);
      }
    }
  }

  async function eventsOf(id: string): Promise<BetaManagedAgentsSessionEvent[]> {
    const all: BetaManagedAgentsSessionEvent[] = [];
    for await (const event of sessions.events.list(id, { limit: 500 })) all.push(event);
    return all;
  }

  /** What got no answer is looked for; what is not there is said again under another name, because it may still come. */
  async function say(session: PlannedSession, id: string, job: Job): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const own = { ...job, id: attempt === 0 ? job.id : `${job.id}r${attempt}` };
      const text = jobText(own);
      const record: Sent = {
        id: own.id,
        session: session.id,
        for_bot: true,
        place: { session_id: id },
        outcome: 'unknown',
      };
      sent.push(record);
      try {
        await sessions.events.send(id, { events: [{ type: 'user.message', content: [{ type: 'text', text }] }] });
        record.outcome = 'acked';
        return;
      } catch (error) {
        if (over || isRefusal(error)) throw error;
      }
      const events = await until(() => eventsOf(id));
      if (events.some((event) => event.type === 'user.message' && JSON.stringify(event).includes(text))) return;
    }
  }

  async function decide(id: string): Promise<void> {
    const events = await eventsOf(id);
    // What was said while it waits stands after it.
    const last = events.findLast((event) => event.type.startsWith('session.status_'));
    if (last?.type !== 'session.status_idle' || last.stop_reason.type !== 'requires_action') return;
    for (const tool_use_id of last.stop_reason.event_ids) {
      const use = events.find((event) => event.id === tool_use_id);
      const job = /s\d+m\d+/.exec(JSON.stringify(use))?.[0] ?? '';
      const { decision, twice } = verdictOf(seed, job);
      const confirmation = { type: 'user.tool_confirmation', tool_use_id, result: decision } as const;
      const send = () => sessions.events.send(id, { events: [confirmation] });
      // The second one is refused, as is one whose first try got no answer but had its effect.
      await Promise.allSettled(twice ? [send(), send()] : [send()]);
    }
  }

  async function watch(session: Client): Promise<void> {
    const id = await session.id;
    while (!over) {
      await decide(id).catch(() => undefined);
      await sleep(LOOK_MS);
    }
  }

  function clientOf(session: PlannedSession): Client {
    const known = clients.get(session.id);
    if (known !== undefined) return known;
    const agent = session.careful ? agents.careful : agents.open;
    const id = until(async () => (await sessions.create({ agent, environment_id: agents.environment_id })).id);
    const made: Client = { id, busy: Promise.resolve(), waiting: 0 };
    clients.set(session.id, made);
    watching.push(watch(made).catch(() => undefined));
    return made;
  }

  return {
    refusals,
    act(session, deed) {
      const mine = clientOf(session);
      mine.waiting += 1;
      mine.busy = mine.busy
        .then(async () => {
          const id = await mine.id;
          if (deed.do === 'say') await say(session, id, deed.job);
          if (deed.do === 'stop') await sessions.events.send(id, { events: [{ type: 'user.interrupt' }] });
        })
        .catch((error: unknown) => {
          if (isRefusal(error)) refusals.push(messageOf(error));
        })
        .finally(() => {
          mine.waiting -= 1;
        });
    },
    sent: () => sent,
    isQuiet: () => [...clients.values()].every((one) => one.waiting === 0),
    async stop() {
      over = true;
      await Promise.all([...watching, ...[...clients.values()].map((one) => one.busy)]);
    },
  };
}

/** The API understood the request and does not want it: no fault of these days explains that. */
function isRefusal(error: unknown): boolean {
  return error instanceof APIError && typeof error.status === 'number' && error.status >= 400 && error.status < 500;
}
