import type { LogEntry } from '../../../src/session/event.ts';
import { derivedId } from '../../../src/session/id.ts';
import { buttonLabels } from '../slack/person.ts';
import { readable } from '../slack/transcript.ts';
import type { SlackMessage } from '../slack/workspace.ts';
import { type Check, ofType, textOf } from './check-logs.ts';
import type { Evidence, SessionEvidence, TraceEvidence } from './evidence.ts';

const NO_TRACE: Pick<TraceEvidence, 'lines' | 'edits'> = { lines: [], edits: {} };

/**
 * A command that is in the log leaves its line once where it worked, at most once where it was begun and then lost, and never
 * where it was not begun or not allowed.
 */
export const commandsRanOnce: Check = ({ sessions, traces }) =>
  sessions.flatMap(({ id, entries }) => {
    const wrong: string[] = [];
    const { lines, edits: files } = traces.find((one) => one.session_id === id) ?? NO_TRACE;
    const results = new Map(ofType(entries, 'agent.tool_result').map((event) => [event.tool_use_id, event]));
    const uses = ofType(entries, 'agent.tool_use');
    const mayRun = mayRunOf(entries);
    const known = new Map<string, { asked: number; begun: number }>();
    for (const use of uses) {
      const line = /echo '(\w+\.\d+\.\d+)' >>/.exec(JSON.stringify(use.input))?.[1];
      if (line === undefined) continue;
      const { asked, begun } = known.get(line) ?? { asked: 0, begun: 0 };
      known.set(line, { asked: asked + 1, begun: begun + (mayRun(use.id) ? 1 : 0) });
      const worked = results.get(use.id)?.is_error === false;
      if (worked && !lines.includes(line)) wrong.push(`${id}: ${line} worked by the log and left nothing behind`);
    }
    for (const line of new Set(lines)) {
      const ran = lines.filter((one) => one === line).length;
      const { asked, begun } = known.get(line) ?? { asked: 0, begun: 0 };
      if (asked === 0) wrong.push(`${id}: ${line} was run, and no call of the log says so`);
      else if (begun === 0) wrong.push(`${id}: ${line} was run, and its call was never begun, or denied`);
      else if (ran > begun) wrong.push(`${id}: ${line} was run ${ran} times for ${begun} call`);
    }
    for (const [file, content] of Object.entries(files)) {
      const makes = uses.filter((use) => use.name === 'bash' && JSON.stringify(use.input).includes(`> ${file}`));
      if (!makes.some((use) => mayRun(use.id)))
        wrong.push(`${id}: ${file} was made, and no call was begun that makes it`);
      const edits = uses.filter((use) => use.name === 'edit' && use.input['file_path'] === file);
      const begun = edits.filter((use) => mayRun(use.id)).length;
      if (content.length > 2 ** begun) wrong.push(`${id}: ${file} was changed more often than it was begun`);
      const worked = edits.filter((use) => results.get(use.id)?.is_error === false).length;
      if (worked > 0 && content.length < 2 ** worked) wrong.push(`${id}: ${file} should have been changed and was not`);
    }
    return wrong;
  });

/** Whether the log says of a call that it was begun, and of no decision that it must not be. */
function mayRunOf(entries: readonly LogEntry[]): (tool_use_id: string) => boolean {
  const begun = new Set(ofType(entries, 'deckhand.tool_started').flatMap((event) => event.tool_use_ids));
  const asked = new Set(ofType(entries, 'deckhand.approval_requested').map((event) => event.tool_use_id));
  const outcomes = new Map(
    ofType(entries, 'deckhand.approval_decided').map((event) => [event.tool_use_id, event.outcome]),
  );
  return (id) => begun.has(id) && (!asked.has(id) || outcomes.get(id) === 'allowed');
}

/**
 * The thread shows what the log says: each text of Claude's once, whole and in order, nothing posted twice, a card per
 * question that says how it was decided, and an error where a run failed.
 */
export const threadsShowTheLog: Check = (evidence) => [
  ...postedTwice(evidence.messages),
  ...evidence.sessions.flatMap((session) => compare(session, evidence)),
];

function postedTwice(messages: readonly SlackMessage[]): string[] {
  const seen = new Map<string, number>();
  for (const message of messages) {
    const id = deliveryOf(message);
    if (id !== null) seen.set(id, (seen.get(id) ?? 0) + 1);
  }
  return [...seen].flatMap(([id, times]) => (times === 1 ? [] : [`delivery ${id} stands ${times} times in Slack`]));
}

function deliveryOf(message: SlackMessage): string | null {
  if (message.bot_id === undefined || message.ephemeral_to !== undefined) return null;
  const id = message.metadata?.event_payload['delivery_id'];
  return typeof id === 'string' ? id : null;
}

/** What each post of an answer says at its end that never came and that no other took the place of. */
const BROKEN_OFF = '*(broken off)*';

function compare({ id, conversation, entries }: SessionEvidence, { messages }: Evidence): string[] {
  if (conversation === null) return [];
  const { channel, thread } = conversation;
  const shown = messages.filter(
    (message) =>
      message.bot_id !== undefined &&
      message.ephemeral_to === undefined &&
      message.channel === channel &&
      message.thread_ts === thread,
  );
  const wrong: string[] = [];
  const texts = ofType(entries, 'agent.message');
  const ids = new Set<string>(texts.map((event) => derivedId('dlv', event.id)));
  const said = shown.filter((message) => ids.has(deliveryOf(message)?.split('.', 1)[0] ?? ''));
  const wanted = words(texts.map(textOf).join('\n'));
  const got = words(said.map(spoken).join('\n'));
  if (wanted !== got) wrong.push(`${id}: ${firstDifference(wanted, got)}`);

  const cards = new Map(shown.map((message) => [deliveryOf(message) ?? '', message]));
  for (const question of ofType(entries, 'deckhand.approval_requested')) {
    const card = cards.get(derivedId('dlv', question.id));
    if (card === undefined) wrong.push(`${id}: no card asks ${question.approval_id}`);
    else if (buttonLabels(card).length > 0) wrong.push(`${id}: the card of ${question.approval_id} still asks`);
  }
  const errors = ofType(entries, 'session.error').filter((event) => event.error.retry_status.type !== 'retrying');
  for (const error of errors) {
    const notice = cards.get(derivedId('dlv', error.id));
    if (notice === undefined) wrong.push(`${id}: nobody was told of ${error.id}: ${error.error.message}`);
  }
  const explained = new Set<string>(entries.map(({ event }) => derivedId('dlv', event.id)));
  for (const message of shown) {
    const delivery = deliveryOf(message);
    if (delivery === null) wrong.push(`${id}: a message without a delivery: ${readable(message).slice(0, 80)}`);
    else if (!explained.has(wholeOf(delivery)) && !readable(message).endsWith(BROKEN_OFF)) {
      wrong.push(`${id}: ${delivery} shows what no event says: ${readable(message).slice(0, 80)}`);
    }
    if (message.stream?.state === 'in_progress') wrong.push(`${id}: ${delivery ?? message.ts} is still being written`);
  }
  return wrong;
}

/** A long text stands in several posts, `dlv_1`, `dlv_1.1` and so on. */
function wholeOf(delivery: string): string {
  return delivery.split('.', 1)[0] ?? '';
}

/** Without the line that says who speaks, which a streamed message carries. */
function spoken(message: SlackMessage): string {
  return readable({ ...message, blocks: message.blocks.filter((block) => block.type !== 'context') });
}

/** Words alone: where a long text is cut, and how its pieces are put together, is for other tests. */
function words(text: string): string {
  return text.split(/\s+/).filter(Boolean).join(' ');
}

function firstDifference(wanted: string, got: string): string {
  let at = 0;
  while (at < wanted.length && wanted[at] === got[at]) at += 1;
  const from = Math.max(0, at - 40);
  return `the log says "…${wanted.slice(from, at + 60)}", the thread "…${got.slice(from, at + 60)}"`;
}
