import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileUnavailableError, RateLimitedError } from '../../src/chat/connector.ts';
import type { InboundFile } from '../../src/chat/inbound.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import type { Attached } from '../support/slack/shared-files.ts';

const signal = AbortSignal.timeout(60_000);

let receiver: RecordingReceiver;
let harness: SlackHarness;

beforeEach(async () => {
  receiver = createRecordingReceiver();
  harness = await startSlackHarness(receiver);
});

afterEach(() => harness[Symbol.asyncDispose]());

/** Ana attaches this; what the receiver hears of it. */
async function attached(...files: Attached[]): Promise<InboundFile[]> {
  harness.slack.user('Ana').mention('ops', 'look', files);
  await harness.slack.outbox.idle();
  return receiver.messages.at(-1)?.files ?? [];
}

async function opened(file: InboundFile | undefined) {
  const { connector, slack } = harness;
  if (file === undefined) throw new Error('Nothing was attached');
  const { id: channel } = slack.channel('ops');
  const conversation = { connector: 'slack', tenant: slack.workspace.team_id, channel, thread: '1.1' };
  return connector.openFile?.(conversation, file, signal);
}

async function contentOf(file: InboundFile | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await opened(file))?.content() ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no failure',
    (error: unknown) => error,
  );
}

async function reasonOf(file: InboundFile | undefined): Promise<string> {
  const failure = await failureOf(contentOf(file));
  expect(failure).toBeInstanceOf(FileUnavailableError);
  return failure instanceof FileUnavailableError ? failure.reason : '';
}

describe('what people attach in Slack', () => {
  it('is heard of with the message, also without text and in both events of a mention', async () => {
    const ana = harness.slack.user('Ana');
    ana.mention('ops', '', [{ name: 'plan.pdf' }, { name: 'sketch.png' }]);
    ana.dm('', [{ name: 'notes.txt' }]);
    await harness.slack.outbox.idle();
    const names = receiver.messages.map((message) => message.files?.map((file) => file.name));
    expect(names).toEqual([['plan.pdf', 'sketch.png'], ['a file', 'a file'], ['notes.txt']]);
    expect(receiver.messages.at(-1)?.text).toBe('');
  });

  it('has its name, its type and every byte, of which none is fetched before it is wanted', async () => {
    const bytes = Buffer.alloc(3_000_000, 'slack');
    const [file] = await attached({ name: 'Größe & mehr.bin', mimetype: 'application/octet-stream', bytes });
    const found = await opened(file);
    expect(found).toMatchObject({ name: 'Größe & mehr.bin', mime_type: 'application/octet-stream' });
    expect(harness.slack.workspace.downloads).toEqual([]);
    expect((await contentOf(file)).equals(bytes)).toBe(true);
    expect(harness.slack.workspace.downloads).toEqual([file?.id]);
  });

  it('is found although the event says no more than that it is there', async () => {
    const [file] = await attached({ name: 'shared.txt', bytes: 'from elsewhere', hidden_in_event: true });
    expect(file?.name).toBe('a file');
    expect((await opened(file))?.name).toBe('shared.txt');
    expect((await contentOf(file)).toString()).toBe('from elsewhere');
  });

  it('is not to be had, in words, when it was deleted, is kept elsewhere or hidden', async () => {
    const [gone, drive, old] = await attached(
      { name: 'gone' },
      { name: 'drive', mode: 'external' },
      { name: 'old', mode: 'hidden_by_limit' },
    );
    const stored = harness.slack.workspace.files.get(gone?.id ?? '');
    if (stored !== undefined) stored.is_deleted = true;
    expect(await reasonOf(gone)).toBe('it was deleted');
    expect(await reasonOf(drive)).toContain('not kept by Slack (gdrive)');
    expect(await reasonOf(old)).toContain('plan');
    expect(await reasonOf({ id: 'F0', name: 'unknown' })).toContain('does not know it');
    expect(harness.slack.workspace.downloads).toEqual([]);
  });

  it('is not the page to sign in, for an installation from before files were taken', async () => {
    const [file] = await attached({ name: 'a.txt' });
    const found = await opened(file);
    harness.slack.workspace.scopes.delete('files:read');
    expect(await reasonOf(file)).toContain('install the app again');
    const pieces = found?.content()[Symbol.asyncIterator]();
    await expect(pieces?.next()).rejects.toThrow(/does not let me read/);
  });

  it('may be a page', async () => {
    const [file] = await attached({ name: 'a.html', mimetype: 'text/html', bytes: '<p>Hello</p>' });
    expect((await contentOf(file)).toString()).toBe('<p>Hello</p>');
  });
});

describe('a download', () => {
  it.each([
    ['elsewhere at once', (url: string) => ({ address: `${url}/file` })],
    ['elsewhere by a redirect', (url: string) => ({ redirect: `${url}/file` })],
    ['to a host that only looks like Slack’s', () => ({ address: 'https://files.slack.com.evil.test/x' })],
    ['to Slack without encryption', () => ({ address: 'http://files.slack.com/x' })],
    ['to Slack at another port', () => ({ redirect: 'https://files.slack.com:8443/x' })],
    ['to this machine', () => ({ redirect: 'http://localhost/x' })],
    ['to a file of this machine', () => ({ address: 'file:///etc/passwd' })],
  ])('never leads %s', async (_where, over) => {
    const asked: string[] = [];
    const elsewhere = createServer((request, response) => {
      asked.push(request.headers.authorization ?? 'no token');
      response.end('secrets of another');
    });
    await new Promise<void>((resolve) => void elsewhere.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const [file] = await attached({ name: 'a.txt', ...over(url) });
    expect(await reasonOf(file)).toBe('it is not kept by Slack');
    expect(asked).toEqual([]);
    elsewhere.close();
  });

  it('goes along a redirect within Slack, and not in circles', async () => {
    const { files_url } = harness.slack.workspace;
    const [target] = await attached({ name: 'target.txt', bytes: 'there' });
    const [file] = await attached({ name: 'a.txt', redirect: `${files_url}/${target?.id}/download/x` });
    expect((await contentOf(file)).toString()).toBe('there');
    const [circle] = await attached({ name: 'b.txt' });
    const stored = harness.slack.workspace.files.get(circle?.id ?? '');
    if (stored !== undefined) stored.redirect = `${files_url}/${circle?.id}/download/x`;
    expect(await reasonOf(circle)).toContain('does not let me read');
    expect(harness.slack.workspace.downloads.length).toBeLessThan(8);
  });

  it('may be tried again after a failure that passes', async () => {
    const [file] = await attached({ name: 'a.txt', bytes: Buffer.alloc(500_000) });
    const { faults } = harness.slack;
    faults.rateLimit('files.info', 7);
    expect(await failureOf(contentOf(file))).toMatchObject({ retry_after_ms: 7_000 });
    faults.rateLimit('download', 9);
    const limited = await failureOf(contentOf(file));
    expect(limited).toBeInstanceOf(RateLimitedError);
    expect(limited).toMatchObject({ retry_after_ms: 9_000 });
    for (const fault of [() => faults.fail('download', 503), () => faults.loseResponse('download')]) {
      fault();
      const failure = await failureOf(contentOf(file));
      expect(failure).toBeInstanceOf(Error);
      expect(failure).not.toBeInstanceOf(FileUnavailableError);
    }
    expect(await contentOf(file)).toHaveLength(500_000);
  });

  it('is given up when nothing comes of it, and not while what came is being kept', async () => {
    const [file] = await attached({ name: 'a.bin', bytes: Buffer.alloc(8_000_000, 'slack') });
    const { clock, faults } = harness.slack;
    const pieces: Uint8Array[] = [];
    for await (const piece of (await opened(file))?.content() ?? []) {
      if (pieces.length < 3) await clock.advance(120_000);
      pieces.push(piece);
    }
    expect(Buffer.concat(pieces)).toHaveLength(8_000_000);
    const held = faults.hold('download');
    const failure = failureOf(contentOf(file));
    await held.reached;
    await clock.advance(31_000);
    expect(await failure).toMatchObject({ message: expect.stringContaining('stopped sending') });
    held.end('dropped');
  });

  it('tells nobody the token, however it fails', async () => {
    const [file] = await attached({ name: 'a.txt', address: 'http://127.0.0.1:1/x' });
    const [other] = await attached({ name: 'b.txt' });
    harness.slack.faults.fail('download', 500);
    const failures = [await failureOf(contentOf(file)), await failureOf(contentOf(other))];
    for (const failure of failures) {
      const { message, stack, cause } = failure as Error;
      expect(`${message}${stack}${JSON.stringify(cause)}`).not.toContain(harness.slack.tokens.bot);
    }
  });
});
