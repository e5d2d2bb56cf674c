import type {
  BetaContentBlockParam,
  BetaImageBlockParam,
  BetaMessageParam,
  MessageCreateParamsBase,
} from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { LRUCache } from 'lru-cache';
import { NotFoundError } from '../errors.ts';
import { imageTypeOf, problemOfImage } from '../image.ts';
import type { FileDocument, Files } from '../resources/files.ts';

/** Images that the log only refers to, as Claude can see them. */
export interface AttachedImages {
  /** Null: there is no such file any more, or Claude cannot be shown it. */
  get(workspace_id: string, file_id: string): Promise<BetaImageBlockParam | null>;
}

/** What a process remembers of them, as base64. */
const REMEMBERED_BYTES = 64 * 1024 * 1024;
/** All that one request shows, as base64: with 30 MB of other things it would be too much, see `roomFor`. */
const MOST_BYTES = 12_000_000;
/** With more than 20 in a request the API takes only small ones (platform.claude.com/docs/en/build-with-claude/vision). */
const MOST_IMAGES = 20;
/** A request to the Messages API takes 32 MB, with tools and system prompt. */
const REQUEST_BYTES = 31_000_000;

export function createAttachedImages(files: Pick<Files, 'get' | 'read'>): AttachedImages {
  const known = new LRUCache<string, BetaImageBlockParam>({
    maxSize: REMEMBERED_BYTES,
    sizeCalculation: (image) => weightOf(image),
  });

  async function load(file: FileDocument): Promise<BetaImageBlockParam | null> {
    const pieces: Uint8Array[] = [];
    for await (const piece of files.read(file)) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const media_type = imageTypeOf(bytes);
    if (media_type === null || problemOfImage(bytes, media_type) !== null) return null;
    return { type: 'image', source: { type: 'base64', media_type, data: bytes.toString('base64') } };
  }

  return {
    async get(workspace_id, file_id) {
      const key = `${workspace_id}/${file_id}`;
      const before = known.get(key);
      if (before !== undefined) return before;
      try {
        const file = await files.get(workspace_id, file_id);
        const image = file.size_bytes > MOST_BYTES ? null : await load(file);
        if (image !== null) known.set(key, image);
        return image;
      } catch (error) {
        if (error instanceof NotFoundError) return null;
        throw error;
      }
    },
  };
}

/** How much of them a request may show beside a conversation that weighs so many bytes. */
export function roomFor(conversation_bytes: number): number {
  return Math.max(0, Math.min(MOST_BYTES, REQUEST_BYTES - conversation_bytes));
}

const NOT_SHOWN: BetaContentBlockParam = {
  type: 'text',
  text: '(An image stood here. It is not shown any more; its file can still be read.)',
};

/** The request with its newest images in it, as many as there is room for, and words where the others stood. */
export async function withImages(
  request: MessageCreateParamsBase,
  room: number,
  load: (file_id: string) => Promise<BetaImageBlockParam | null>,
): Promise<{ request: MessageCreateParamsBase; shown: number }> {
  const ids = referencesIn(request);
  if (ids.length === 0) return { request, shown: 0 };
  // By place and not by file: whoever shows one ten times sends it ten times.
  const images = ids.map((): BetaImageBlockParam | null => null);
  let left = room;
  for (const [place, id] of [...ids.entries()].toReversed().slice(0, MOST_IMAGES)) {
    const image = left <= 0 ? null : await load(id);
    left -= image === null ? 0 : weightOf(image);
    if (left >= 0) images[place] = image;
  }
  let place = 0;
  const shown = (block: BetaContentBlockParam): BetaContentBlockParam =>
    referenceOf(block) === null ? block : (images[place++] ?? NOT_SHOWN);
  const messages = request.messages.map((message) =>
    isPeoples(message) ? { ...message, content: message.content.map(shown) } : message,
  );
  return { request: { ...request, messages }, shown: images.filter((image) => image !== null).length };
}

function referencesIn({ messages }: MessageCreateParamsBase): string[] {
  return messages.filter(isPeoples).flatMap(({ content }) => content.flatMap((block) => referenceOf(block) ?? []));
}

function isPeoples(message: BetaMessageParam): message is { role: 'user'; content: BetaContentBlockParam[] } {
  return message.role === 'user' && Array.isArray(message.content);
}

function referenceOf(block: BetaContentBlockParam): string | null {
  return block.type === 'image' && block.source.type === 'file' ? block.source.file_id : null;
}

function weightOf(image: BetaImageBlockParam): number {
  return image.source.type === 'base64' ? image.source.data.length : 0;
}
