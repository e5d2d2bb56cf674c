import { expect, test } from 'vitest';
import { chatStage, place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform } from '../../support/fake-connector.ts';
import { testDatabase } from '../../support/services.ts';

const shared = {
  type: 'deckhand.output_shared' as const,
  file_id: 'file_1',
  path: 'charts/sales.png',
  changed: '1.5',
  filename: 'sales.png',
  mime_type: 'image/png',
  size_bytes: 12,
  sha256: 'aa',
};
const idle = { type: 'session.status_idle' as const, stop_reason: { type: 'end_turn' as const }, stop_details: null };

test('what an agent left stands in the conversation once, whichever gateway posts it and whatever it loses', async () => {
  await using database = await testDatabase();
  const stage = await chatStage(database.db);
  const platform = createPlatform();
  const ref = await stage.session();
  platform.faults.push({ kind: 'lost' });
  const first = stage.deliverer(platform);
  await stage.append(ref, { type: 'session.status_running' }, shared);
  stage.wake(ref);
  await eventually(() => expect(platform.texts()).toEqual(['[sales.png: 12] charts/sales.png']));
  await first.stop();
  const second = stage.deliverer(platform, 'gateway_2', {});
  await stage.append(
    ref,
    { ...shared, file_id: 'file_2', changed: '1.6', size_bytes: 13, path: 'sales.png' },
    { type: 'deckhand.output_withheld', files: [], waiting: 3, text: '3 more files wait.' },
    idle,
  );
  stage.wake(ref);
  await eventually(() =>
    expect(platform.texts()).toEqual([
      '[sales.png: 12] charts/sales.png',
      '[sales.png: 13] ',
      '(i) 3 more files wait.',
      '(i) Done; there is nothing to add.',
    ]),
  );
  await second.stop();
});

test('one that the platform will not take is said, with what finds it', async () => {
  await using database = await testDatabase();
  const stage = await chatStage(database.db);
  const platform = createPlatform();
  const ref = await stage.session();
  platform.faults.push({ kind: 'refused', reason: 'file_type_banned' });
  const deliverer = stage.deliverer(platform);
  await stage.append(ref, { type: 'session.status_running' }, shared);
  stage.wake(ref);
  await eventually(() =>
    expect(platform.texts()).toEqual([
      '(!) I made sales.png, and this chat does not take it (file_type_banned). The session has it as file_1.',
    ]),
  );
  await deliverer.stop();
});

test('a file is had only from the conversation that its session answers in', async () => {
  await using database = await testDatabase();
  const stage = await chatStage(database.db);
  const ref = await stage.session();
  const other = await stage.session('200.2');
  const file = await stage.files.keep(
    { ...ref, filename: 'a.txt', mime_type: 'text/plain', purpose: 'output' },
    (async function* () {
      yield Buffer.from('content');
    })(),
  );
  const { service } = stage.receiver();
  const from = (conversation: typeof place, file_id = file._id) => service.file({ conversation, file_id });
  const found = await from(place);
  expect(found).toMatchObject({ filename: 'a.txt', size_bytes: 7 });
  for await (const piece of found?.content() ?? []) expect(Buffer.from(piece).toString()).toBe('content');
  expect(await from({ ...place, thread: '200.2' })).toBeNull();
  expect(await from({ ...place, tenant: 'T2' })).toBeNull();
  expect(await from({ ...place, connector: 'web' })).toBeNull();
  expect(await from(place, 'file_0')).toBeNull();
  const own = await stage.files.keep(
    { workspace_id: other.workspace_id, session_id: null, filename: 'b', mime_type: '', purpose: 'upload' },
    (async function* () {
      yield Buffer.from('x');
    })(),
  );
  expect(await from(place, own._id)).toBeNull();
});
