import { createHash } from 'node:crypto';
import { SlackApiError } from './api-error.ts';
import { listOf, optional, required } from './arguments.ts';
import { threadOf, writableChannel } from './chat-methods.ts';
import type { Method } from './method.ts';
import { fileObject } from './shared-files.ts';
import type { SlackMessage, SlackUpload } from './workspace.ts';

/** files.getUploadURLExternal: a place for the bytes, which nobody sees yet. */
const getUploadUrl: Method = (scene, args) => {
  const name = required(args, 'filename');
  const length = Number(required(args, 'length'));
  if (!Number.isInteger(length) || length <= 0) throw new SlackApiError('invalid_arguments');
  const id = scene.workspace.nextId('F');
  scene.workspace.uploads.set(id, { id, name, length, bytes: null, sha256: '', is_shared: false });
  return { upload_url: scene.uploadUrl(id), file_id: id };
};

/** What is larger is looked at as it comes, and is not kept. */
const KEPT_BYTES = 32 * 1024 * 1024;

/** What came of a file whose length was told before; null when it broke off. */
export async function bytesFor(
  length: number,
  request: AsyncIterable<Buffer>,
): Promise<({ size: number } & Pick<SlackUpload, 'bytes' | 'sha256'>) | null> {
  const pieces: Buffer[] = [];
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const piece of request) {
      size += piece.length;
      hash.update(piece);
      if (length <= KEPT_BYTES) pieces.push(piece);
    }
  } catch {
    return null;
  }
  return { size, bytes: Buffer.concat(pieces), sha256: hash.digest('hex') };
}

function uploaded(upload: SlackUpload | undefined): SlackUpload {
  // files.completeUploadExternal names `file_not_found` for an id it does not know. Guess: for one without bytes too.
  if (upload?.bytes === null || upload === undefined) throw new SlackApiError('file_not_found');
  if (upload.is_shared) throw new SlackApiError('file_update_failed');
  return upload;
}

const completeUpload: Method = (scene, args) => {
  const { workspace } = scene;
  const files = listOf(args, 'files') ?? [];
  if (files.length === 0) throw new SlackApiError('invalid_arguments');
  const shared = files.map((file) => {
    const upload = uploaded(workspace.uploads.get(required(file, 'id')));
    return { id: upload.id, name: upload.name, title: optional(file, 'title') ?? upload.name };
  });
  const channel = writableChannel(scene, { channel: required(args, 'channel_id') });
  const threadTs = threadOf(scene, args, channel);
  for (const { id } of shared) uploaded(workspace.uploads.get(id)).is_shared = true;
  const message: SlackMessage = {
    ts: workspace.nextTs(),
    channel: channel.id,
    user: workspace.bot_user_id,
    bot_id: workspace.bot_id,
    text: optional(args, 'initial_comment') ?? '',
    blocks: [],
    files: shared,
    ...(threadTs !== undefined && { thread_ts: threadTs }),
  };
  workspace.messages.push(message);
  scene.posted(message);
  return { files: shared };
};

const fileInfo: Method = ({ workspace }, args) => {
  const file = workspace.files.get(required(args, 'file'));
  if (file === undefined) throw new SlackApiError('file_not_found');
  if (file.is_deleted) throw new SlackApiError('file_deleted');
  return { file: fileObject(workspace, file) };
};

export const uploadMethods: Record<string, Method> = {
  'files.getUploadURLExternal': getUploadUrl,
  'files.completeUploadExternal': completeUpload,
  'files.info': fileInfo,
};
