import { randomUUID } from 'node:crypto';
import type { BetaContentBlockParam, BetaMessageParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { type Db, MongoClient } from 'mongodb';
import { type CheckpointStore, createCheckpointStore } from '../../src/session/checkpoint-store.ts';
import type { SessionRef } from '../../src/session/log.ts';
import type { EventDocument } from '../../src/session/log-document.ts';
import type { TranscriptItem } from '../../src/session/session-state.ts';
import { type Addresses, openHops, openModel, openWrites } from './least-parts.ts';
import { msOf } from './timed.ts';

/** Sessions of two lengths: the long ones have a checkpoint, the short ones only events. */
export interface Lengths {
  workspace_id: string;
  short: string[];
  long: string[];
  /** So many of one length are followed by as many of the other. */
  block: number;
}

/** In ms, of each session. */
export interface LeastOfLength {
  /** With what a worker that does not know the session reads of it: its checkpoint, or its events. */
  cold: number[];
  warm: number[];
  /** Characters of the conversation, which goes with each request: Claude keeps nothing. */
  said: number;
}

/**
 * What a one-message turn of such sessions cannot do without, one after the other, in one process and with nothing around it:
 * a write, a hop, a second write, what is read, the stand-in called with the whole conversation, a third write.
 */
export async function leastOfLengths(request: Addresses & Lengths): Promise<Record<'short' | 'long', LeastOfLength>> {
  await using writes = openWrites(request);
  await using hops = await openHops(request, 1);
  await using mongo = new MongoClient(request.mongodb_uri);
  const db = mongo.db(request.database);
  const checkpoints = createCheckpointStore(db);
  const ask = openModel(request);
  const { workspace_id, short, long, block } = request;
  const found = { short: emptyFloor(), long: emptyFloor() };

  async function take(session_id: string, read: (ref: SessionRef) => Promise<BetaMessageParam[]>, into: LeastOfLength) {
    const log = randomUUID();
    let said: BetaMessageParam[] = [];
    const before = await msOf(async () => {
      await writes.write(log);
      await hops.hop();
      await writes.write(log);
    });
    const reading = await msOf(async () => {
      said = await read({ workspace_id, session_id });
    });
    const after = await msOf(async () => {
      await ask(said);
      await writes.write(log);
    });
    into.cold.push(before + reading + after);
    into.warm.push(before + after);
    into.said = JSON.stringify(said).length;
  }

  for (let from = 0; from < short.length; from += block) {
    for (const id of short.slice(from, from + block)) await take(id, (ref) => saidIn(db, ref), found.short);
    for (const id of long.slice(from, from + block)) await take(id, (ref) => saidBy(checkpoints, ref), found.long);
  }
  return found;
}

function emptyFloor(): LeastOfLength {
  return { cold: [], warm: [], said: 0 };
}

/** From events: what people and Claude said. */
async function saidIn(db: Db, ref: SessionRef): Promise<BetaMessageParam[]> {
  const events = await db
    .collection<EventDocument>('session_events')
    .find({ ...ref })
    .sort({ seq: 1 })
    .toArray();
  return events.flatMap(({ event }): BetaMessageParam[] => {
    if (event.type === 'user.message') return [{ role: 'user', content: event.content as Said }];
    return event.type === 'deckhand.model_reply' ? [{ role: 'assistant', content: event.content as Said }] : [];
  });
}

type Said = BetaContentBlockParam[];

/** From a checkpoint. @throws when there is none */
async function saidBy(checkpoints: CheckpointStore, ref: SessionRef): Promise<BetaMessageParam[]> {
  const state = await checkpoints.load(ref);
  if (state === null) throw new Error(`${ref.session_id} has no checkpoint`);
  return state.transcript.flatMap((item: TranscriptItem): BetaMessageParam[] => {
    if (item.role !== 'user' && item.role !== 'assistant') return [];
    return [{ role: item.role, content: item.content as Said }];
  });
}
