import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Db } from 'mongodb';
import { detectCgroups, listCgroups } from '../../../sandbox/cgroup.ts';
import type { LogEntry } from '../../../src/session/event.ts';
import { type EventDocument, type LoggedDocument, numbered, toEntry } from '../../../src/session/log-document.ts';
import { descendants, processes, withMountsAt } from '../processes.ts';
import type { SlackServer } from '../slack/server.ts';
import type { Life } from './crew.ts';
import type { ApprovalEvidence, Evidence, Leftovers, SessionEvidence, TraceEvidence } from './evidence.ts';
import { TRACE_FILE } from './jobs.ts';

interface SessionDocument extends LoggedDocument {
  conversation_id?: string | null;
}

interface ConversationDocument {
  _id: string;
  channel: string;
  thread: string;
}

/** Every session as it lies in MongoDB, read past the product's own reader. */
export async function gatherSessions(db: Db): Promise<SessionEvidence[]> {
  const conversations = new Map(
    (await db.collection<ConversationDocument>('conversations').find().toArray()).map((one) => [one._id, one]),
  );
  const sessions = await db.collection<SessionDocument>('sessions').find().toArray();
  return Promise.all(
    sessions.map(async ({ _id, conversation_id, log: { tail, usage: _usage, ...head } }) => {
      const documents = await db.collection<EventDocument>('session_events').find({ session_id: _id }).toArray();
      const copies = documents.map(toEntry);
      const inTail = new Map(numbered(tail, head.seq - tail.length).map((entry) => [entry.event.id, entry]));
      const entries = new Map<string, LogEntry>(inTail);
      for (const copy of copies) entries.set(copy.event.id, copy);
      const place = conversations.get(conversation_id ?? '');
      return {
        id: _id,
        conversation: place === undefined ? null : { channel: place.channel, thread: place.thread },
        head,
        entries: [...entries.values()].sort((a, b) => a.seq - b.seq),
        copied: copies.flatMap((copy) => {
          const its = inTail.get(copy.event.id);
          return its === undefined ? [] : [{ tail: its, copy }];
        }),
      };
    }),
  );
}

export async function gatherApprovals(db: Db): Promise<ApprovalEvidence[]> {
  const found = await db.collection<{ _id: string; session_id: string; status: string }>('approvals').find().toArray();
  return found.map((record) => ({ id: record._id, session_id: record.session_id, status: record.status, record }));
}

/** What the sessions' commands left on these disks, put together by session. */
export function gatherTraces(disks: readonly string[]): TraceEvidence[] {
  const traces = new Map<string, TraceEvidence>();
  for (const { session_id, folder } of disks.flatMap(sessionFolders)) {
    const trace = traces.get(session_id) ?? { session_id, lines: [], edits: {}, files: [] };
    traces.set(session_id, trace);
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const { name } = file;
      const path = join(file.parentPath, name);
      const content = readFileSync(path, 'utf8');
      trace.files.push({ path, content });
      if (name === TRACE_FILE) trace.lines.push(...content.split('\n').filter(Boolean));
      // On two machines the same attempt's file may stand, each with what was done there: the longest had most done.
      if (name.endsWith('.edit') && content.length >= (trace.edits[name]?.length ?? 0)) trace.edits[name] = content;
    }
  }
  return [...traces.values()];
}

function sessionFolders(disk: string): { session_id: string; folder: string }[] {
  const workspaces = join(disk, 'workspaces');
  if (!existsSync(workspaces)) return [];
  return readdirSync(workspaces)
    .filter((name) => name.startsWith('sesn_'))
    .map((name) => ({ session_id: name, folder: join(workspaces, name) }));
}

/** What the test Slack shows now that is not a message. */
export function gatherShown({ workspace }: Pick<SlackServer, 'workspace'>): Evidence['shown'] {
  const { agent_sessions, messages, bot_user_id } = workspace;
  return {
    states: Object.fromEntries([...agent_sessions].map(([thread, { status }]) => [thread, status])),
    marks: messages.flatMap(({ channel, ts, reactions = new Map<string, Set<string>>() }) =>
      [...reactions].flatMap(([name, people]) => (people.has(bot_user_id) ? [`:${name}: on ${channel} ${ts}`] : [])),
    ),
  };
}

/** What is unfinished in MongoDB and Redis, in words; nothing when the house is at rest. */
export async function unfinished(db: Db, redis_url: string): Promise<string[]> {
  const counts: [string, Promise<number>][] = [
    ['sessions that are owed a turn', db.collection('sessions').countDocuments({ 'log.owed': true })],
    [
      'sessions in the middle of a run',
      db.collection('sessions').countDocuments({ 'log.status': { $in: ['running', 'rescheduling'] } }),
    ],
    // Whoever died holding one when nothing was owed leaves its name there; it holds nobody back once its time is over.
    ['sessions with a lease', db.collection('sessions').countDocuments({ 'log.lease.until': { $gt: new Date() } })],
    [
      'sessions that are not shown',
      db.collection('sessions').countDocuments({ 'log.undelivered': true, 'log.in_conversation': true }),
    ],
    ['sessions that a gateway shows', db.collection('delivery_cursors').countDocuments({ until: { $gt: new Date() } })],
    ['posts that are neither done nor refused', undone(db)],
    ['chat events without their effect', db.collection('inbound').countDocuments({ state: 'received' })],
    ['approvals that wait', db.collection('approvals').countDocuments({ status: 'pending' })],
    ['decisions that are not in the log', db.collection('approvals').countDocuments({ appended: false })],
    ['turns in the queue', queued(redis_url, db.databaseName)],
  ];
  const found = await Promise.all(counts.map(async ([what, count]) => ({ what, count: await count })));
  return found.flatMap(({ what, count }) => (count === 0 ? [] : [`${count} ${what}`]));
}

function undone(db: Db): Promise<number> {
  return db.collection('deliveries').countDocuments({ state: { $in: ['claimed', 'live'] } });
}

async function queued(redis_url: string, database: string): Promise<number> {
  const redis = new Redis(redis_url, { maxRetriesPerRequest: null });
  try {
    const key = `deckhand:${database}:turns`;
    const counts = await Promise.all([
      redis.llen(`${key}:wait`),
      redis.llen(`${key}:active`),
      redis.zcard(`${key}:delayed`),
      // Where every wake waits: each has a priority (src/queue/fair-order.ts).
      redis.zcard(`${key}:prioritized`),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  } finally {
    redis.disconnect();
  }
}

/**
 * What may name a session that was deleted, because it holds nothing of what was said in it: the record that it ended; where
 * chat events went, so that a late double is known; and which session a conversation had.
 */
const MAY_NAME_DELETED = new Set(['ended_sessions', 'inbound', 'conversations']);

/** Every other document that names one of these sessions, and bytes of files that are not there. */
export async function gatherForgotten(db: Db, session_ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
    if (MAY_NAME_DELETED.has(name)) continue;
    for await (const document of db.collection(name).find()) {
      const text = JSON.stringify(document);
      const named = session_ids.find((id) => text.includes(id));
      if (named !== undefined) found.push(`${name} ${String(document._id)} names ${named}`);
    }
  }
  const files = new Set(await db.collection('files').distinct('_id'));
  for (const file of await db.collection('file_chunks').distinct('file_id')) {
    if (!files.has(file)) found.push(`file_chunks of ${String(file)}, which is not there`);
  }
  return found;
}

/** What is left on this machine when everything has stopped and every session was deleted. */
export function gatherLeftovers(
  data_dir: string,
  disks: readonly string[],
  lives: readonly Life[],
): Omit<Leftovers, 'documents'> {
  const pids = new Set(lives.map((life) => String(life.pid)));
  // The services are children of ours; what a member left behind has lost its parent.
  const ours = new Set(descendants(process.pid).map((one) => one.pid));
  const tree = detectCgroups();
  return {
    processes: processes()
      .filter((one) => one.command.includes(data_dir) && !ours.has(one.pid))
      .map((one) => `${one.pid}: ${one.command.slice(0, 200)}`),
    cgroups:
      tree === null ? [] : listCgroups(tree).filter((name) => pids.has(/^deckhand-(\d+)-/.exec(name)?.[1] ?? '')),
    mounts: withMountsAt(data_dir).map((one) => `below ${data_dir} for ${one.pid}: ${one.command.slice(0, 200)}`),
    folders: disks.flatMap((disk) => {
      const workspaces = join(disk, 'workspaces');
      return existsSync(workspaces) ? readdirSync(workspaces).map((name) => join(workspaces, name)) : [];
    }),
  };
}
