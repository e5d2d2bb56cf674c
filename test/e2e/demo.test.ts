import { expect, test } from 'vitest';
import { runDemo } from '../support/demo.ts';

test('the demo goes the whole path: a mention, a sandboxed command, an approval, the results in the thread', async () => {
  const { transcript, report } = await runDemo();
  expect(report).toMatchObject({ ok: true, session_id: expect.stringMatching(/^sesn_/), approvals: 1 });
  expect(transcript).toContain('I am a **scripted stand-in**, not Claude');
  expect(transcript).toContain('all aboard\n/workspace\nLinux');
  expect(transcript).toContain('Approved by *Ben*');
  expect(transcript.trimEnd().endsWith('deployed\n```')).toBe(true);
});
