import type { FilesInfoResponse } from '@slack/web-api';
import { FileUnavailableError, type OpenedFile, PostRefusedError } from '../../src/chat/connector.ts';
import type { InboundFile } from '../../src/chat/inbound.ts';
import { platformErrorOf, type SlackClient } from './client.ts';
import { rateLimitOf } from './retry-after.ts';

/** Where Slack keeps files, and nobody else: only these see the token. */
const SLACK_HOST = /(^|\.)(slack|slack-gov|slack-files)\.com$/;
const MOST_REDIRECTS = 3;
/** A download of which nothing comes for so long is dead. However long the bytes that came take to be kept, it is not. */
const STALL_MS = 30_000;

/** Slack's words for files that nobody will ever get from it (docs.slack.dev/reference/methods/files.info), as sentences' ends. */
const NEVER: Record<string, string> = {
  file_deleted: 'it was deleted',
  file_not_found: 'Slack does not know it here',
  not_visible: 'I may not see it here',
  access_denied: 'I may not see it here',
  missing_scope: 'I may not read files here: an admin has to install the app again (docs/slack.md)',
};
const NOT_GIVEN = 'Slack does not let me read it';

interface SlackDoor {
  client: SlackClient;
  /** Another Slack than slack.com: its files are there, too. */
  api_url: string | null;
  /** Run it after `ms`, unless cancelled. */
  after: (ms: number, run: () => void) => () => void;
}

type FileInfo = NonNullable<FilesInfoResponse['file']>;

/**
 * A file as Slack has it now: what an event says of one may be nothing (Slack Connect, `check_file_info`) or out of date.
 * @throws as `Connector.openFile`
 */
export async function openFile(door: SlackDoor, file: InboundFile, signal: AbortSignal): Promise<OpenedFile> {
  const info = await infoOf(door.client, file, signal);
  const address = addressOf(info);
  return {
    name: info.name ?? info.title ?? file.name,
    mime_type: info.mimetype ?? '',
    size_bytes: info.size ?? null,
    content: () => download(door, address, info.mimetype ?? '', signal),
  };
}

async function infoOf(client: SlackClient, file: InboundFile, signal: AbortSignal): Promise<FileInfo> {
  try {
    const { file: info } = await client.call((web) => web.files.info({ file: file.id }), signal);
    if (info === undefined) throw new Error('files.info returned no file');
    return info;
  } catch (error) {
    const reason = error instanceof PostRefusedError ? error.reason : platformErrorOf(error);
    const never = reason === null ? undefined : NEVER[reason];
    if (never !== undefined) throw new FileUnavailableError(never, { cause: error });
    if (error instanceof PostRefusedError) throw new FileUnavailableError(`Slack says ${reason}`, { cause: error });
    throw error;
  }
}

function addressOf({ mode, is_external, external_type, url_private_download, url_private }: FileInfo): string {
  if (mode === 'tombstone') throw new FileUnavailableError('it was deleted');
  if (mode === 'hidden_by_limit') throw new FileUnavailableError("Slack's plan here does not show it any more");
  if (is_external === true || mode === 'external') {
    const where = external_type ? ` (${external_type})` : '';
    throw new FileUnavailableError(`it is not kept by Slack${where}: download it and attach it here`);
  }
  const address = url_private_download ?? url_private;
  if (address === undefined || address === '') throw new FileUnavailableError('Slack has no download of it');
  return address;
}

async function* download(
  door: SlackDoor,
  address: string,
  mime_type: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const watch = () => door.after(STALL_MS, () => stop.abort(new Error('Slack stopped sending a file')));
  let rest = watch();
  try {
    const response = await answerOf(door, address, AbortSignal.any([signal, stop.signal]));
    // Who may not read a file is sent to a page to sign in, with a 200.
    const isPage = response.headers.get('content-type')?.startsWith('text/html') === true;
    if (isPage && !mime_type.startsWith('text/html')) throw new FileUnavailableError(NOT_GIVEN);
    for await (const piece of response.body ?? []) {
      rest();
      yield piece;
      rest = watch();
    }
  } finally {
    rest();
    stop.abort();
  }
}

/** Redirects are followed by hand, so that the token goes to nobody but Slack. */
async function answerOf({ client, api_url }: SlackDoor, address: string, signal: AbortSignal): Promise<Response> {
  let url = new URL(address);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    if (!isSlacks(url, api_url)) throw new FileUnavailableError('it is not kept by Slack');
    const target = url;
    const response = await client.call(
      (web) => fetch(target, { headers: { authorization: `Bearer ${web.token}` }, redirect: 'manual', signal }),
      signal,
    );
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status < 300 || response.status >= 400) throw failureOf(response);
    url = new URL(response.headers.get('location') ?? '', url);
  }
  throw new FileUnavailableError(NOT_GIVEN);
}

function isSlacks(url: URL, api_url: string | null): boolean {
  if (api_url !== null && url.origin === new URL(api_url).origin) return true;
  return url.protocol === 'https:' && url.port === '' && SLACK_HOST.test(url.hostname);
}

function failureOf({ status, headers }: Response): Error {
  if (status === 429) return rateLimitOf(headers.get('retry-after'));
  if ([404, 410].includes(status)) return new FileUnavailableError('it was deleted');
  if ([401, 403].includes(status)) return new FileUnavailableError(NOT_GIVEN);
  return new Error(`Slack answered ${status} to a download`);
}
