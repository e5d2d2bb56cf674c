import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { ends, says } from '../../support/chat-events.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
let platform: Platform;
let deliverer: Deliverer;

beforeEach(() => {
  platform = createPlatform();
  platform.limits.text = 40;
  platform.limits.posts_before_file = 2;
  deliverer = stage.deliverer(platform);
});

afterEach(async () => {
  await deliverer.stop();
});

const paragraphs = (count: number) => Array.from({ length: count }, (_each, n) => `Paragraph number ${n} is here.`);

async function shows(texts: unknown[]): Promise<void> {
  await eventually(() => expect(platform.texts()).toEqual(texts));
}

describe('a text that is long, where the platform takes files', () => {
  it('is posted whole while it needs no more posts than are made', async () => {
    const ref = await stage.session();
    await stage.append(ref, says(paragraphs(2).join('\n\n')), ends());
    await shows(['Paragraph number 0 is here.\n\n', 'Paragraph number 1 is here.']);
  });

  it('begins in posts and is whole in a file, once, whatever answer is lost', async () => {
    platform.faults.push({ kind: 'lost' }, { kind: 'lost' }, { kind: 'lost' });
    const ref = await stage.session();
    const text = paragraphs(5).join('\n\n');
    await stage.append(ref, says(text), ends());
    await shows([
      'Paragraph number 0 is here.\n\n',
      'Paragraph number 1 is here.\n\n',
      `[answer.md: ${text.length}] The whole of it, ${text.length} characters.`,
    ]);
    expect(platform.messages[2]?.versions[0]).toMatchObject({ kind: 'file', content: text });
  });

  it('says where the rest is when the platform refuses the file', async () => {
    const ref = await stage.session();
    platform.faults.push({ kind: 'slow', until: Promise.resolve() }, { kind: 'slow', until: Promise.resolve() });
    platform.faults.push({ kind: 'refused', reason: 'missing_scope' });
    await stage.append(ref, says(paragraphs(5).join('\n\n')), ends());
    await shows([
      'Paragraph number 0 is here.\n\n',
      'Paragraph number 1 is here.\n\n',
      expect.stringMatching(/^\(!\) This is not all, and this chat takes no file \(missing_scope\)\./),
    ]);
  });
});
