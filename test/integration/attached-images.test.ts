import { describe, expect, test } from 'vitest';
import type { FileDocument } from '../../src/resources/files.ts';
import { newId } from '../../src/session/id.ts';
import { ana, type Stage, stage } from '../support/harness.ts';
import { jpeg, png } from '../support/images.ts';
import { testDatabase } from '../support/services.ts';

async function onStage(story: (on: Stage) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await using on = await stage(database.db);
  await story(on);
}

function keep(on: Stage, bytes: Buffer): Promise<FileDocument> {
  const file = { ...on.ref, filename: 'picture', mime_type: 'image/png', purpose: 'upload' as const };
  return on.files.keep(
    file,
    (async function* () {
      yield bytes;
    })(),
  );
}

function shows(on: Stage, text: string, ...file_ids: string[]): Promise<unknown> {
  const images = file_ids.map((file_id) => ({ type: 'image' as const, source: { type: 'file' as const, file_id } }));
  const content = [{ type: 'text' as const, text }, ...images];
  return on.sends({ id: newId('sevt'), type: 'user.message', processed_at: null, content }, ana);
}

/** What stands of images in a request, in order. */
function seenIn(request: { messages: unknown }): string[] {
  const blocks = (request.messages as Array<{ content: Array<Record<string, unknown>> }>).flatMap((one) => one.content);
  return blocks.flatMap((block) => {
    if (block['type'] === 'image') {
      const { type, media_type } = block['source'] as { type: string; media_type?: string };
      return [`${type} ${media_type ?? ''}`];
    }
    return String(block['text']).includes('An image stood here') ? ['words'] : [];
  });
}

describe('an image that the log refers to', () => {
  test('is seen by Claude as what it is, again with every request, and weighs nothing in the log', () =>
    onStage(async (on) => {
      const image = await keep(on, jpeg(20, 10, 50_000));
      on.model.reply({ text: 'A cat.' }, { text: 'Black.' });
      await shows(on, 'What is this?', image._id);
      await on.settle();
      await on.says('What colour?');
      await on.settle();
      expect(on.model.requests.map(seenIn)).toEqual([['base64 image/jpeg'], ['base64 image/jpeg']]);
      expect(JSON.stringify(await on.events()).length).toBeLessThan(10_000);
    }));

  test('that is gone, another workspace’s, no image or too large is replaced by words', () =>
    onStage(async (on) => {
      const gone = await keep(on, png());
      await on.files.remove(on.ref.workspace_id, gone._id);
      const foreign = await on.files.keep(
        { workspace_id: 'wrkspc_2', session_id: null, filename: 'x', mime_type: 'image/png', purpose: 'upload' },
        (async function* () {
          yield png();
        })(),
      );
      const text = await keep(on, Buffer.from('no image'));
      const wide = await keep(on, png(9_000, 1));
      const fine = await keep(on, png());
      on.model.reply({ text: 'One picture.' });
      await shows(on, 'Look', gone._id, foreign._id, text._id, wide._id, fine._id);
      await on.settle();
      expect(on.model.requests.map(seenIn)).toEqual([['words', 'words', 'words', 'words', 'base64 image/png']]);
    }));

  test('makes room for newer ones', () =>
    onStage(async (on) => {
      const large = [];
      for (let n = 0; n < 4; n++) large.push(await keep(on, png(n + 1, 1, 3_000_000)));
      const small = await keep(on, png());
      on.model.reply({ text: 'Seen.' }, { text: 'Seen.' });
      await shows(on, 'Look', ...large.map((file) => file._id));
      await on.settle();
      await shows(on, 'And', ...Array.from({ length: 20 }, () => small._id));
      await on.settle();
      const image = 'base64 image/png';
      expect(on.model.requests.map(seenIn)).toEqual([
        ['words', image, image, image],
        ['words', 'words', 'words', 'words', ...Array<string>(20).fill(image)],
      ]);
    }));

  test('that is shown again and again takes its room each time', () =>
    onStage(async (on) => {
      const large = await keep(on, png(1, 1, 3_000_000));
      on.model.reply({ text: 'Seen.' });
      await shows(on, 'Look', large._id, large._id, large._id, large._id, large._id);
      await on.settle();
      const image = 'base64 image/png';
      expect(on.model.requests.map(seenIn)).toEqual([['words', 'words', image, image, image]]);
    }));

  test('that Claude’s API does not take ends no run', () =>
    onStage(async (on) => {
      const broken = await keep(on, png());
      on.model.fail(400, { message: 'messages.0.content.1.image.source.base64: Could not process image' });
      on.model.reply({ text: 'I cannot see it.' });
      await shows(on, 'Look', broken._id);
      await on.settle();
      expect(on.model.requests.map(seenIn)).toEqual([['base64 image/png'], ['words']]);
      expect(await on.types()).not.toContain('session.error');
      expect(JSON.stringify(await on.events())).toContain('I cannot see it.');
    }));

  test('is asked without only when it is for the content that the request was refused', () =>
    onStage(async (on) => {
      const image = await keep(on, png());
      on.model.fail(401);
      await shows(on, 'Look', image._id);
      await on.settle();
      expect(on.model.requests).toHaveLength(1);
    }));
});
