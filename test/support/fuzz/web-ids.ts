import { Readable } from 'node:stream';
import { expect } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../../src/resources/defaults.ts';
import { eventually } from '../eventually.ts';
import { createWebClient, nextClientId, type WebClient } from '../web-client.ts';
import { SECRETS } from './secrets.ts';
import type { FuzzWorker } from './turns.ts';
import { askPeople, type World } from './world.ts';

/** The cookie of somebody who has just signed in on the page. */
export async function newCookie({ url }: World): Promise<string> {
  const signIn = { name: 'Ana', key: SECRETS.api_key };
  const answer = await createWebClient(url).request('POST', '/web/session', signIn);
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

/**
 * What the page's routes name: a conversation with an answer and a file, and with a question when it is asked for. Nothing is
 * on its way to it: a delivery whose session is dropped keeps its place among those of the page until its lease is over.
 */
export async function makeConversation(
  { world, worker, web }: { world: World; worker: FuzzWorker; web: WebClient },
  withCard: boolean,
): Promise<Record<string, string>> {
  const { id: conversation } = await web.begin();
  await web.say(conversation, 'hello');
  const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 1 });
  const session = items[0]?._id ?? '';
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id: session };
  const about = { ...ref, filename: 'ours', mime_type: 'text/plain', purpose: 'output' as const };
  const file = await world.context.files.keep(about, Readable.from([Buffer.from('ours')]));
  const own = { conversation, session, file: file._id, agent: world.context.defaults.agent_id };
  const ids = { ...world.foreign, ...own, client: nextClientId(), key: SECRETS.api_key };
  await worker.settle(ref);
  await expectDelivered(world);
  if (!withCard) return ids;
  const { approval } = await askPeople(world.context, ref, 'ours');
  await eventually(async () => expect((await web.open(conversation)).conversation.waiting).toBe(1));
  await expectDelivered(world);
  return { ...ids, approval };
}

/** Nothing is on its way to the page any more. */
export async function expectDelivered({ context }: World): Promise<void> {
  await eventually(async () => expect(await context.log.undelivered(1)).toEqual([]));
}
