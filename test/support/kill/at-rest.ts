import { readdirSync, readFileSync } from 'node:fs';
import type { Db } from 'mongodb';
import { expect } from 'vitest';
import { deliveryIdOf } from '../../../connectors/slack/render.ts';
import { detectCgroups, listCgroups } from '../../../sandbox/cgroup.ts';
import type { LogEntry } from '../../../src/session/event.ts';
import type { LoggedDocument } from '../../../src/session/log-document.ts';
import type { SlackServer } from '../slack/server.ts';
import { postedOnce } from '../soak/check-slack.ts';

/** What must be so when a house that lost a process has come to rest. */

/** Collections that hold only what is a session's. */
const OF_SESSIONS = [
  'sessions',
  'session_events',
  'session_checkpoints',
  'delivery_cursors',
  'deliveries',
  'approvals',
  'files',
  'file_chunks',
];

/** Nothing is owed, held or half done, of this session and in the house. */
export async function expectRest(db: Db, session: LoggedDocument): Promise<void> {
  const { status, owed, undelivered, in_conversation, lease } = session.log;
  const cursors = db.collection<{ _id: string; holder: string | null }>('delivery_cursors');
  expect({
    // Nobody shows what is in no conversation.
    log: { status, owed, undelivered: in_conversation && undelivered, holder: lease.holder },
    cursor: (await cursors.findOne({ _id: session._id }))?.holder ?? null,
    chat_events: await db.collection('inbound').countDocuments({ state: { $ne: 'applied' } }),
    posts: await db.collection('deliveries').countDocuments({ state: { $ne: 'posted' } }),
    decisions: await db.collection('approvals').countDocuments({ appended: false }),
  }).toEqual({
    log: { status: 'idle', owed: false, undelivered: false, holder: null },
    cursor: null,
    chat_events: 0,
    posts: 0,
    decisions: 0,
  });
}

/** No gap, nothing twice, a result for every call, and the end of a run at the end. */
export function expectSoundLog(log: readonly LogEntry[]): void {
  const events = log.map((entry) => entry.event);
  expect(log.map((entry) => entry.seq)).toEqual(log.map((_entry, index) => index + 1));
  expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
  const calls = events.flatMap((event) => (event.type === 'agent.tool_use' ? [event.id] : []));
  const results = events.flatMap((event) => (event.type === 'agent.tool_result' ? [event.tool_use_id] : []));
  const idle = events.findLast((event) => event.type === 'session.status_idle');
  const waiting = idle?.stop_reason.type === 'requires_action' ? idle.stop_reason.event_ids : [];
  expect([...results, ...waiting].sort()).toEqual(calls.sort());
}

/** No delivery stands in a conversation twice, and none was posted twice or taken back on the way there. */
export function expectEachPostOnce(slack: SlackServer): void {
  const ids = slack.workspace.messages.flatMap((message) => deliveryIdOf(message.metadata) ?? []);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  expect(postedOnce(slack)).toEqual([]);
}

/**
 * A worker that comes back to a machine ends what dead ones left there, and keeps what living sessions have.
 * @param folder of the machine's workspaces
 */
export async function expectTidy(db: Db, folder: string): Promise<void> {
  const found = readdirSync(folder);
  const sessions = found.filter((name) => !name.startsWith('.'));
  const living = await db.collection<LoggedDocument>('sessions').distinct('_id', { _id: { $in: sessions } });
  expect(living.sort()).toEqual(sessions.sort());
  // The worker's own.
  expect(found.length - sessions.length).toBeLessThanOrEqual(1);
}

/** No control group is left of processes with these ids. */
export function expectNoGroups(pids: readonly number[]): void {
  const groups = detectCgroups();
  const left = groups === null ? [] : listCgroups(groups);
  for (const pid of pids) expect(left.filter((name) => name.startsWith(`deckhand-${pid}-`))).toEqual([]);
}

/** No session is left, nor anything of one. */
export async function expectNoDocuments(db: Db): Promise<void> {
  // The mark of a file that was on its way stays for ten minutes: whoever brings it may be alive.
  const there = { state: { $ne: 'removed' } };
  const left = OF_SESSIONS.map(async (name) => [name, await db.collection(name).countDocuments(there)]);
  expect(Object.fromEntries(await Promise.all(left))).toEqual(Object.fromEntries(OF_SESSIONS.map((name) => [name, 0])));
}

export function linesOf(path: string): number {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').length;
  } catch {
    return 0;
  }
}
