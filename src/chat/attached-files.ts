import { FilesFullError, FileTooLargeError, messageOf } from '../errors.ts';
import { imageTypeOf, MAX_IMAGE_BYTES, problemOfImage } from '../image.ts';
import type { Logger } from '../logger.ts';
import { safeFileName } from '../resources/file-name.ts';
import type { FileDocument, Files } from '../resources/files.ts';
import { UPLOADS } from '../session/mounts.ts';
import type { UserContent } from '../session/session-state.ts';
import { type Connector, FileUnavailableError, type OpenedFile, RateLimitedError } from './connector.ts';
import type { FetchRoom } from './fetch-room.ts';
import type { InboundFile, InboundMessage } from './inbound.ts';
import { type Inbound, loggedEventId } from './inbound-keys.ts';
import type { Target } from './inbound-store.ts';
import { inWords, PutOffError } from './later.ts';

/** Of one message. Slack's own clients attach 10. */
const MOST_FILES = 20;
/** How long one file may take: 1 GB at 10 Mbit/s. */
const FETCH_MS = 15 * 60_000;

export interface AttachDeps {
  files: Pick<Files, 'get' | 'keep' | 'read' | 'withKey'>;
  connectors: ReadonlyMap<string, Pick<Connector, 'openFile'>>;
  logger: Logger;
  fetching: FetchRoom;
  /** Wait for a platform, without holding up others meanwhile. */
  outside<T>(work: () => Promise<T>): Promise<T>;
  /** It is not tried again here: what cannot be had now is done without. */
  is_last_try: boolean;
  /** Whether it may be put off for so long, and tried again then. */
  mayWait(ms: number): boolean;
}

export interface Attached {
  /** What the agent is told and shown, to stand behind the message's own text. */
  content: UserContent;
  /** What the person is told, when something of it could not be had. */
  problem: string | null;
}

/**
 * Bring what is attached to a message into its session, each file once however often this is repeated. A file that cannot
 * be had is said, and keeps back nothing else.
 * @throws PutOffError while the platform asks to wait, for as long as that may be waited for; what its other passing
 *   failures threw, unless this is the last try; NotFoundError when the session is gone
 */
export async function attach(
  deps: AttachDeps,
  target: Target,
  inbound: Inbound,
  message: InboundMessage,
): Promise<Attached> {
  const { files = [], conversation } = message;
  if (files.length === 0) return { content: [], problem: null };
  const connector = deps.connectors.get(conversation.connector);
  const event_id = loggedEventId(inbound, target.session_id);
  const kept: FileDocument[] = [];
  const problems = files
    .slice(MOST_FILES)
    .map(({ name }) => said(name, `only ${MOST_FILES} files of a message are taken`));
  for (const file of files.slice(0, MOST_FILES)) {
    const open = () => {
      if (connector?.openFile === undefined) throw new FileUnavailableError('files are not taken here');
      return connector.openFile(conversation, file, AbortSignal.timeout(FETCH_MS));
    };
    const from = JSON.stringify([conversation.connector, conversation.tenant]);
    const got = await getOnce(deps, target, { file, from, key: `${event_id}/${file.id}`, open });
    if (typeof got === 'string') problems.push(got);
    else kept.push(got);
  }
  const images = await imagesAmong(deps, kept);
  return {
    content: [
      { type: 'text', text: words(kept, images, problems) },
      ...images.map(({ _id }) => ({ type: 'image' as const, source: { type: 'file' as const, file_id: _id } })),
    ],
    problem:
      problems.length === 0
        ? null
        : `Not everything came along. The agent has your message without ${problems.join('; ')}.`,
  };
}

function said(name: string, problem: string): string {
  return `${safeFileName(name)} (${problem})`;
}

interface Wanted {
  file: InboundFile;
  /** The workspace of the platform. */
  from: string;
  /** It is kept once by it. */
  key: string;
  open: () => Promise<OpenedFile>;
}

function withinWords({ message }: Error): string {
  return message.replace(/^[AT]/, (first) => first.toLowerCase()).replace(/\.$/, '');
}

/** The file, or what is said of one that cannot be had. */
async function getOnce(
  deps: AttachDeps,
  { workspace_id, session_id }: Target,
  { file, from, key, open }: Wanted,
): Promise<FileDocument | string> {
  const before = await deps.files.withKey(workspace_id, key);
  if (before !== null) return before;
  // An event may know less of it than the platform tells then.
  let called = file.name;
  let atPlatform = true;
  async function* watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    atPlatform = true;
    for await (const piece of content) {
      atPlatform = false;
      yield piece;
      atPlatform = true;
    }
    atPlatform = false;
  }
  try {
    return await deps.outside(async () => {
      const leave = await deps.fetching.enter(from);
      try {
        const { name, mime_type, content } = await open();
        atPlatform = false;
        called = name;
        const about = { workspace_id, session_id, filename: name, mime_type, purpose: 'upload' as const, key };
        return await deps.files.keep(about, watched(content()));
      } finally {
        leave();
      }
    });
  } catch (error) {
    if (error instanceof FileUnavailableError) return said(called, error.reason);
    if (error instanceof FileTooLargeError || error instanceof FilesFullError) return said(called, withinWords(error));
    if (!atPlatform) throw error;
    const isLimited = error instanceof RateLimitedError;
    if (isLimited && deps.mayWait(error.retry_after_ms)) throw putOff(called, error);
    if (!isLimited && !deps.is_last_try) throw error;
    deps.logger.warn({ session_id, file_id: file.id, reason: messageOf(error) }, 'attached file not fetched');
    const why = isLimited ? 'the chat platform asked to wait for too long' : 'it could not be fetched';
    return said(called, `${why}; attach it again ${isLimited ? 'later' : 'in a moment'}`);
  }
}

function putOff(name: string, limit: RateLimitedError): PutOffError {
  const wait = inWords(limit.retry_after_ms);
  return new PutOffError(
    limit.retry_after_ms,
    `The chat platform asks me to wait ${wait} before I fetch ${safeFileName(name)}. The agent gets your message then; ` +
      'what is said here meanwhile it gets before.',
    { cause: limit },
  );
}

async function imagesAmong(deps: AttachDeps, kept: readonly FileDocument[]): Promise<FileDocument[]> {
  const images: FileDocument[] = [];
  for (const file of kept) if (await isShowable(deps, file)) images.push(file);
  return images;
}

async function isShowable({ files }: AttachDeps, file: FileDocument): Promise<boolean> {
  if (!file.mime_type.startsWith('image/') || file.size_bytes > MAX_IMAGE_BYTES) return false;
  const pieces: Uint8Array[] = [];
  for await (const piece of files.read(file)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const type = imageTypeOf(bytes);
  return type !== null && problemOfImage(bytes, type) === null;
}

function words(kept: readonly FileDocument[], images: readonly FileDocument[], problems: readonly string[]): string {
  const rows = kept.map((file) => {
    const below = images.includes(file) ? ', shown below' : '';
    return `- ${UPLOADS}/${file.filename} (${file.mime_type}, ${file.size_bytes.toLocaleString('en')} bytes${below})`;
  });
  const missing = problems.map((problem) => `- ${problem}`);
  return [
    ...(rows.length === 0 ? [] : ['Attached files, read-only in the sandbox:', ...rows]),
    ...(missing.length === 0 ? [] : ['Attached too, but not to be had:', ...missing]),
  ].join('\n');
}
