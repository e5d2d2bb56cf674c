import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

const { stage, slack } = useSlackStage();

/** What the session's sandbox has: name and content. */
async function uploads(): Promise<[string, string][]> {
  const [ref] = await stage.refs();
  const found: [string, string][] = [];
  for (const file of ref === undefined ? [] : await stage.files.uploads(ref)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of stage.files.read(file)) pieces.push(piece);
    found.push([file.filename, Buffer.concat(pieces).toString()]);
  }
  return found.toSorted(([one], [other]) => one.localeCompare(other));
}

async function told(count: number): Promise<string[]> {
  return eventually(async () => {
    const messages = await stage.entries('user.message');
    expect(messages).toHaveLength(count);
    return messages.map(({ event }) => event.content.map((block) => ('text' in block ? block.text : '')).join('\n'));
  });
}

it('a mention in a thread brings what was attached there before', async () => {
  slack.channel('ops');
  const root = slack.user('Ben').says('ops', 'the build is red', [{ name: 'build.log', bytes: 'line 1' }]);
  slack.user('Cleo').reply(root, 'also this', { files: [{ name: 'trace.txt', hidden_in_event: true }] });
  slack.user('Ana').reply(root, 'why?', { mention: true });
  const [context, question] = await told(2);
  expect(context).toContain('> [file: build.log]');
  expect(context).toContain('- /mnt/session/uploads/build.log (text/plain, 6 bytes)');
  expect(context).toContain('- /mnt/session/uploads/trace.txt');
  expect(question).toBe('why?');
  expect(await uploads()).toEqual([
    ['build.log', 'line 1'],
    ['trace.txt', 'The content of trace.txt'],
  ]);
});

it('“Ask an agent about this” brings what is attached to that message', async () => {
  const ana = slack.user('Ana');
  slack.channel('ops');
  const long = 'word '.repeat(1_000);
  const files = Array.from({ length: 10 }, (_, n) => ({ name: `${n} ${'"\\\u0001'.repeat(30)}.txt` }));
  const place = slack.user('Ben').says('ops', long, [{ name: 'build.log', bytes: 'line 1' }, ...files.slice(1)]);
  expect((await ana.shortcut('deckhand_ask_about', place)).acked).toBe(true);
  await eventually(() => expect(ana.view()).toBeDefined());
  await ana.submit({ what: 'Why?' });
  const [question] = (await told(2)).filter((text) => text.startsWith('Why?'));
  expect(question).toContain('Attached files, read-only in the sandbox:\n- /mnt/session/uploads/build.log');
  expect(await uploads()).toHaveLength(10);
  expect(new Set(slack.workspace.downloads).size).toBe(slack.workspace.downloads.length);
});
