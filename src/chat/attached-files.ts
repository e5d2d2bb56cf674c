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
import type { Target } from './inbound-document.ts';
import { type Inbound, loggedEventId, loggedMessageId } from './inbound-keys.ts';
import { inWords, PutOffError } from './later.ts';
import type { ConversationKey } from './place.ts';

/** Of one message. Slack's own clients attach 10. */
const MOST_FILES = 20;
/** How long one file may take: 1 GB at 10 Mbit/s. */
const FETCH_MS = 15 * 60_000;
/** Why a file is left out for which there is no room. */
export const TOO_MUCH = 'with the files that are newer it would be too much';

export interface AttachDeps {
  files: Pick<Files, 'get' | 'keep' | 'max_bytes' | 'read' | 'withKey'>;
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
  const { session_id } = target;
  const own_id = loggedEventId(inbound, session_id);
  const kept: FileDocument[] = [];
  const problems = files
    .slice(MOST_FILES)
    .map(({ name }) => said(name, `only ${MOST_FILES} files of a message are taken`));
  for (const file of files.slice(0, MOST_FILES)) {
    const { message_id } = file;
    const event_id = message_id === undefined ? own_id : loggedMessageId(conversation, message_id, session_id);
    const got = await bring(deps, target, { file, conversation, event_id });
    if (typeof got === 'string') problems.push(got);
    else kept.push(got);
  }
  return {
    content: await contentOf(deps, kept, problems, OWN),
    problem:
      problems.length === 0
        ? null
        : `Not everything came along. The agent has your message without ${problems.join('; ')}.`,
  };
}

/** A file that could not be had, in words. */
export function said(name: string, problem: string): string {
  return `${safeFileName(name)} (${problem})`;
}

/** What stands above the files that came along, and above those that did not. */
interface Heads {
  kept: string;
  missing: string;
}

const OWN: Heads = {
  kept: 'Attached files, read-only in the sandbox:',
  missing: 'Attached too, but not to be had:',
};

/** What the agent is told of files, and is shown of them. */
export async function contentOf(
  deps: Pick<AttachDeps, 'files'>,
  kept: readonly FileDocument[],
  problems: readonly string[],
  heads: Heads,
): Promise<UserContent> {
  const images = await imagesAmong(deps, kept);
  return [
    { type: 'text', text: words(kept, images, problems, heads) },
    ...images.map(({ _id }) => ({ type: 'image' as const, source: { type: 'file' as const, file_id: _id } })),
  ];
}

export interface ToBring {
  file: InboundFile;
  conversation: ConversationKey;
  /** The event of the message that it is attached to: of each it is kept once. */
  event_id: string;
  /** What there is room for; absent: as much as any file may have. */
  most_bytes?: number;
}

/**
 * Bring a file into a session, once however often this is repeated: the file, or what is said of one that cannot be had.
 * @throws as `attach`
 */
export async function bring(deps: AttachDeps, target: Target, from: ToBring): Promise<FileDocument | string> {
  const { file, conversation, event_id, most_bytes } = from;
  const connector = deps.connectors.get(conversation.connector);
  const open = async () => {
    if (connector?.openFile === undefined) throw new FileUnavailableError('files are not taken here');
    const opened = await connector.openFile(conversation, file, AbortSignal.timeout(FETCH_MS));
    return most_bytes === undefined ? opened : { ...opened, content: () => upTo(most_bytes, opened.content()) };
  };
  const workspace = JSON.stringify([conversation.connector, conversation.tenant]);
  return getOnce(deps, target, { file, from: workspace, key: `${event_id}/${file.id}`, open });
}

/** The bytes of a file of which the platform may not have said how large it is. */
async function* upTo(most: number, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > most) throw new FileUnavailableError(TOO_MUCH);
    yield piece;
  }
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
        const { name, mime_type, size_bytes, content } = await open();
        atPlatform = false;
        called = name;
        // It need not come only to be refused.
        if ((size_bytes ?? 0) > deps.files.max_bytes) throw new FileTooLargeError(deps.files.max_bytes);
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

async function imagesAmong(deps: Pick<AttachDeps, 'files'>, kept: readonly FileDocument[]): Promise<FileDocument[]> {
  const images: FileDocument[] = [];
  for (const file of kept) if (await isShowable(deps, file)) images.push(file);
  return images;
}

async function isShowable({ files }: Pick<AttachDeps, 'files'>, file: FileDocument): Promise<boolean> {
  if (!file.mime_type.startsWith('image/') || file.size_bytes > MAX_IMAGE_BYTES) return false;
  const pieces: Uint8Array[] = [];
  for await (const piece of files.read(file)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const type = imageTypeOf(bytes);
  return type !== null && problemOfImage(bytes, type) === null;
}

function words(
  kept: readonly FileDocument[],
  images: readonly FileDocument[],
  problems: readonly string[],
  heads: Heads,
): string {
  const rows = kept.map((file) => {
    const below = images.includes(file) ? ', shown below' : '';
    return `- ${UPLOADS}/${file.filename} (${file.mime_type}, ${file.size_bytes.toLocaleString('en')} bytes${below})`;
  });
  const missing = problems.map((problem) => `- ${problem}`);
  return [
    ...(rows.length === 0 ? [] : [heads.kept, ...rows]),
    ...(missing.length === 0 ? [] : [heads.missing, ...missing]),
  ].join('\n');
}
