import { deliveryIdOf } from '../../../connectors/slack/render.ts';
import { metadataOf } from '../slack/arguments.ts';
import type { JournalEntry } from '../slack/web-api.ts';
import type { Check } from './check-logs.ts';
import type { Evidence, Press } from './evidence.ts';

/** What Slack was told, whatever stands there at the end. */

const APPLIED = new Set(['ok', 'lost']);
const STREAM = 'chat.startStream';
const POSTS = new Set(['chat.postMessage', STREAM]);
const EDITS = new Set(['chat.update', 'chat.appendStream', 'chat.stopStream']);

/** No delivery was posted a second time, also not for a while, and nothing was taken back. */
export function postedOnce({ journal }: Pick<Evidence, 'journal'>): string[] {
  const posted = new Map<string, number>();
  for (const call of journal) {
    const id = POSTS.has(call.method) && APPLIED.has(call.outcome) ? deliveryOf(call) : null;
    if (id !== null) posted.set(id, (posted.get(id) ?? 0) + 1);
  }
  return [
    ...[...posted].flatMap(([id, times]) => (times === 1 ? [] : [`delivery ${id} was posted ${times} times`])),
    ...journal.flatMap(({ method, args }) =>
      method === 'chat.delete' ? [`message ${String(args['ts'])} was taken back`] : [],
    ),
  ];
}

/** A stream begins without metadata: the id of its first block says whose it is. */
function deliveryOf({ args }: JournalEntry): string | null {
  return deliveryIdOf(metadataOf(args)) ?? /delivery:(dlv_[\w.]+)/.exec(JSON.stringify(args))?.[1] ?? null;
}

/**
 * A call may be on its way already when the answer to another one is read, in milliseconds. Only calls that come later
 * are those of a process that knew.
 */
const ON_ITS_WAY_MS = 250;

/** Whoever was told to wait makes no call there before its time. */
export const waitsAreKept: Check = ({ journal }) => {
  const wrong: string[] = [];
  for (const { method, args, caller, wait } of journal) {
    if (wait === undefined || wait.told_at === null) continue;
    const place = placeOf(method, args);
    if (place === null) continue;
    const early = journal.find(
      (call) =>
        call.caller === caller &&
        call.came_at > (wait.told_at ?? 0) + ON_ITS_WAY_MS &&
        call.came_at < wait.over_at &&
        // Streams have a limit of their own: what no stream could be begun for may be posted at once (live-message.ts).
        (method !== STREAM || call.method === STREAM) &&
        placeOf(call.method, call.args) === place,
    );
    if (early === undefined) continue;
    wrong.push(`${caller} called ${early.method} (${place}) ${wait.over_at - early.came_at} ms before it might`);
  }
  return wrong;
};

/** What is paced together (src/chat/pace.ts): posts by channel, edits and marks by workspace. Null: whoever asks waits alone. */
function placeOf(method: string, args: JournalEntry['args']): string | null {
  if (POSTS.has(method)) return `posts in ${String(args['channel'])}`;
  if (EDITS.has(method)) return 'edits';
  return method.startsWith('reactions.') ? 'marks' : null;
}

/** Nothing in Slack says that somebody is at work, or that a message waits to be taken up. */
export const nothingSeemsUnfinished: Check = ({ shown }) => unfinishedIn(shown);

export function unfinishedIn({ states, marks }: Evidence['shown']): string[] {
  return [
    ...Object.entries(states).flatMap(([thread, state]) =>
      state === 'processing' ? [`Slack shows ${thread} as ${state}`] : [],
    ),
    ...marks.map((mark) => `Slack still shows ${mark}`),
  ];
}

/** Whoever pressed a button sees what came of it: on the card, in words to them alone, or in a modal. */
export const pressesAreAnswered: Check = (evidence) =>
  evidence.presses.flatMap((press) =>
    !press.acked || isAnswered(press, evidence)
      ? []
      : [`${press.by} pressed a button of ${press.card.ts} at ${press.at}, and nothing came of it`],
  );

function isAnswered({ by, card, at, modal }: Press, { journal, messages }: Evidence): boolean {
  if (modal) return true;
  const isTold = messages.some(({ ephemeral_to, ts }) => ephemeral_to === by && Math.round(Number(ts) * 1_000) >= at);
  return (
    isTold ||
    journal.some(
      (call) =>
        call.method === 'chat.update' &&
        APPLIED.has(call.outcome) &&
        call.at >= at &&
        call.args['channel'] === card.channel &&
        call.args['ts'] === card.ts,
    )
  );
}
