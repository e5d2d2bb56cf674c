import { Readable } from 'node:stream';
import { WebAPIPlatformError } from '@slack/web-api';
import { FileGoneError, type PostRef, PostRefusedError } from '../../src/chat/connector.ts';
import type { Receiver } from '../../src/chat/inbound.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { SlackClient } from './client.ts';
import { placeOf, refOf } from './conversation-id.ts';
import { fallbackText } from './render.ts';
import { sendBytes } from './upload.ts';
import type { Uploads } from './uploads.ts';

export type FileOut = Extract<Outgoing, { kind: 'file' }>;

interface FileParts {
  client: SlackClient;
  uploads: Pick<Uploads, 'begun'>;
  stored: Receiver['file'];
}

/**
 * Put a file into the thread: a place for its bytes, the bytes, and its message, which everybody sees from the last step
 * on and not before. @throws as `Connector.post`
 */
export async function postFile(
  { client, uploads, stored }: FileParts,
  conversation: ConversationKey,
  file: FileOut,
  signal: AbortSignal,
): Promise<PostRef> {
  const { channel, thread_ts } = placeOf(conversation);
  const { length, bytes } = await bytesOf(conversation, file, stored);
  const filename = file.name;
  const { upload_url, file_id } = await allowed(() =>
    client.call((web) => web.files.getUploadURLExternal({ filename, length }), signal),
  );
  if (upload_url === undefined || file_id === undefined)
    throw new Error('files.getUploadURLExternal returned no place');
  await sendBytes(upload_url, length, bytes(), signal);
  await uploads.begun(file.delivery_id, file_id);
  const files: [{ id: string; title: string }] = [{ id: file_id, title: file.name }];
  const content = { files, ...(file.markdown !== '' && { initial_comment: fallbackText(file.markdown) }) };
  await allowed(() =>
    client.call(
      (web) =>
        thread_ts === undefined
          ? web.files.completeUploadExternal({ ...content, channel_id: channel })
          : web.files.completeUploadExternal({ ...content, channel_id: channel, thread_ts }),
      signal,
    ),
  );
  // Its message's own ts comes later, and is never needed: a file is not edited.
  return refOf(channel, file_id);
}

/** Its bytes and how many they are: Slack wants to know before, and takes no empty file. */
async function bytesOf(
  conversation: ConversationKey,
  { content }: FileOut,
  stored: Receiver['file'],
): Promise<{ length: number; bytes: () => AsyncIterable<Uint8Array> }> {
  if (typeof content === 'string') {
    const whole = Buffer.from(content);
    return { length: whole.length, bytes: () => Readable.from([whole]) };
  }
  const file = await stored({ conversation, file_id: content.file_id });
  if (file === null) throw new FileGoneError();
  if (file.size_bytes === 0) throw new PostRefusedError('it is empty');
  return { length: file.size_bytes, bytes: file.content };
}

/** An installation from before files went out lacks the scope; that must not hold up what else there is to say. */
async function allowed<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof WebAPIPlatformError && error.data.error === 'missing_scope') {
      throw new PostRefusedError('missing_scope', { cause: error });
    }
    throw error;
  }
}
