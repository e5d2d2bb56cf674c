import { eventually } from '../eventually.ts';
import { readableText } from '../slack/block-limits.ts';
import type { MessagePlace } from '../slack/person.ts';
import { buttonLabels } from '../slack/person.ts';
import type { SlackServer } from '../slack/server.ts';
import type { Acknowledgement } from '../slack/socket-mode.ts';
import { readable } from '../slack/transcript.ts';
import type { SlackMessage } from '../slack/workspace.ts';
import type { Press, Sent } from './evidence.ts';
import { jobText } from './jobs.ts';
import { type Deed, type PlannedSession, verdictOf } from './plan.ts';

/** How often somebody looks for a card, and waits before pressing a button again, in milliseconds. */
const LOOK_MS = 100;
const AGAIN_MS = 1_500;

/** People in Slack: they write once (Slack delivers again), and press a button until its card shows that it worked. */
export interface SlackPeople {
  act(session: PlannedSession, deed: Deed): void;
  /** What was sent, as Slack knows it by now. */
  sent(): Sent[];
  presses: Press[];
  /** Cards that still show buttons. */
  open(): SlackMessage[];
  /** Slack waits for no answer and will deliver nothing again. */
  isQuiet(): boolean;
  stop(): Promise<void>;
}

export function createSlackPeople(slack: SlackServer, seed: number): SlackPeople {
  const threads = new Map<string, MessagePlace>();
  const written: { id: string; session: string; for_bot: boolean; place: MessagePlace }[] = [];
  /** When a card was last pressed, by its time stamp. */
  const pressed = new Map<string, number>();
  const presses: Press[] = [];
  const underway = new Set<Promise<unknown>>();

  function write(session: PlannedSession, id: string, text: string, for_bot: boolean): void {
    const person = slack.user(`Asker of ${session.id}`);
    const root = threads.get(session.id);
    const place =
      root !== undefined
        ? person.reply(root, text, { mention: for_bot && session.via === 'channel' })
        : session.via === 'dm'
          ? person.dm(text)
          : person.mention(`channel-${session.id}`, text);
    if (root === undefined) threads.set(session.id, place);
    written.push({ id, session: session.id, for_bot, place });
  }

  function follow(work: Promise<unknown>): void {
    const done = work.catch(() => undefined).finally(() => underway.delete(done));
    underway.add(done);
  }

  function open(): SlackMessage[] {
    return slack.workspace.messages.filter(
      (message) => message.ephemeral_to === undefined && buttonLabels(message).includes('Approve'),
    );
  }

  function look(): void {
    const now = performance.now();
    for (const card of open()) {
      if (now - (pressed.get(card.ts) ?? -AGAIN_MS) < AGAIN_MS) continue;
      pressed.set(card.ts, now);
      follow(decide(card));
    }
  }

  async function decide(card: SlackMessage): Promise<void> {
    const job = /s\d+m\d+/.exec(readable(card))?.[0] ?? card.ts;
    const { decision, contested, twice } = verdictOf(seed, job);
    const presses = [press(card, `First approver of ${job}`, decision)];
    if (twice) presses.push(press(card, `First approver of ${job}`, decision));
    if (contested) presses.push(press(card, `Second approver of ${job}`, decision === 'allow' ? 'deny' : 'allow'));
    await Promise.all(presses);
  }

  async function press(card: SlackMessage, name: string, decision: 'allow' | 'deny'): Promise<void> {
    const person = slack.user(name);
    const { channel, ts } = card;
    const note = async (work: () => Promise<Acknowledgement>) => {
      const [at, before] = [slack.clock.now(), person.view()];
      const { acked, payload } = await work();
      const modal = person.view() !== undefined && (person.view() !== before || payload !== undefined);
      presses.push({ by: person.user.id, card: { channel, ts }, at, acked, modal });
    };
    await note(() => person.click(card, decision === 'allow' ? 'Approve' : 'Deny'));
    if (decision === 'allow' || person.view() === undefined) return;
    // It opens at once, and says what it is for when that is known.
    await eventually(() => {
      if (readableText(person.view()?.blocks).join().includes('One moment'))
        throw new Error('The modal is still empty');
    }).catch(() => undefined);
    if (person.view()?.submit !== undefined) await note(() => person.submit({ reason: 'not today' }));
  }

  const timer = setInterval(look, LOOK_MS);

  return {
    act(session, deed) {
      const root = threads.get(session.id);
      if (deed.do === 'say') write(session, deed.job.id, jobText(deed.job), true);
      else if (deed.do === 'chat') write(session, deed.id, `lunch? [chat ${deed.id}]`, false);
      else if (root !== undefined) slack.user(`Asker of ${session.id}`).stop(root);
    },
    sent() {
      const acked = new Set(slack.outbox.attempts.flatMap((attempt) => (attempt.acked ? [attempt.ts] : [])));
      return written.map(({ place, ...what }) => ({
        ...what,
        place: { channel: place.channel, thread: place.thread_ts ?? place.ts },
        outcome: acked.has(place.ts) ? 'acked' : 'unknown',
      }));
    },
    presses,
    open,
    isQuiet: () => underway.size === 0 && !slack.outbox.isBusy(),
    async stop() {
      clearInterval(timer);
      await Promise.all(underway);
    },
  };
}
