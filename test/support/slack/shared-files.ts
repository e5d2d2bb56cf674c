import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FaultPlan } from './faults.ts';
import type { SlackWorkspace } from './workspace.ts';

/** Something that somebody attaches; say only what differs from an ordinary text file. */
export interface Attached {
  name: string;
  bytes?: Buffer | string;
  /** Bytes that are made as they are taken, in place of those: so that nobody here has them whole. */
  made?: { size: number; pieces: () => Iterable<Uint8Array> };
  mimetype?: string;
  /** As files.info has it: kept elsewhere, or not shown by the plan. */
  mode?: 'hosted' | 'external' | 'hidden_by_limit';
  /** The event says no more of it than that it is there, as in channels shared with other companies. */
  hidden_in_event?: boolean;
  /** Its download leads there. */
  redirect?: string;
  /** What its object says of its address instead. */
  address?: string;
}

/** A file that stands in Slack. */
export interface SlackFile extends Attached {
  id: string;
  bytes: Buffer;
  size: number;
  is_deleted: boolean;
}

const NONE = Buffer.alloc(0);

export function shareFile(workspace: SlackWorkspace, attached: Attached): SlackFile {
  const bytes = attached.made === undefined ? Buffer.from(attached.bytes ?? `The content of ${attached.name}`) : NONE;
  const size = attached.made?.size ?? bytes.length;
  const file = { ...attached, id: workspace.nextId('F'), bytes, size, is_deleted: false };
  workspace.files.set(file.id, file);
  return file;
}

/** docs.slack.dev/reference/objects/file-object, as far as an app asks. */
export function fileObject(workspace: SlackWorkspace, file: SlackFile): Record<string, unknown> {
  const { id, name, mode = 'hosted', mimetype = 'text/plain' } = file;
  const address = file.address ?? `${workspace.files_url}/${id}/download/${encodeURIComponent(name)}`;
  return {
    id,
    name,
    title: name,
    mimetype,
    mode,
    size: file.size,
    is_external: mode === 'external',
    ...(mode === 'external' && { external_type: 'gdrive' }),
    file_access: 'visible',
    ...(mode === 'hosted' && { url_private: address, url_private_download: address }),
  };
}

/** As a message's event has it. */
export function fileInEvent(workspace: SlackWorkspace, file: SlackFile): Record<string, unknown> {
  if (file.is_deleted) return { id: file.id, mode: 'tombstone' };
  return file.hidden_in_event === true
    ? { id: file.id, created: 0, timestamp: 0, user: '', mode: 'file_access', file_access: 'check_file_info' }
    : fileObject(workspace, file);
}

/**
 * A file's bytes, for who sends the bot's token and may read files. Anybody else is led to a page to sign in, which is
 * there for everybody (seen in practice; the reference only says that the token is needed).
 */
export async function serveDownload(
  workspace: SlackWorkspace,
  faults: FaultPlan,
  [id = '', form = '']: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const file = workspace.files.get(id);
  if (id === 'signin') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<h1>Sign in to Slack</h1>');
    return;
  }
  workspace.downloads.push(id);
  const isBot = workspace.bot_tokens.has(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
  if (!isBot || !workspace.scopes.has('files:read')) {
    response.writeHead(302, { location: `${workspace.files_url}/signin` }).end();
    return;
  }
  const fault = faults.take('download', {});
  if (fault?.kind === 'held') {
    fault.reached();
    if ((await fault.ending) === 'dropped') {
      response.destroy();
      return;
    }
  }
  if (file === undefined || file.is_deleted || form !== 'download') response.writeHead(404).end();
  else if (fault?.kind === 'rate_limited') {
    response.writeHead(429, { 'retry-after': String(fault.retry_after_s) }).end();
  } else if (fault?.kind === 'status') response.writeHead(fault.status).end('upstream trouble');
  else if (file.redirect !== undefined) response.writeHead(302, { location: file.redirect }).end();
  else {
    const headers = { 'content-type': file.mimetype ?? 'text/plain', 'content-length': file.size };
    response.writeHead(200, headers);
    // Whoever takes them may go away midway.
    if (file.made !== undefined) await pipeline(Readable.from(file.made.pieces()), response).catch(() => undefined);
    else if (fault?.kind === 'lost')
      response.write(file.bytes.subarray(0, file.bytes.length / 2), () => response.destroy());
    else response.end(file.bytes);
  }
}
