import { NotFoundError } from '../errors.ts';
import type { Files } from '../resources/files.ts';
import type { SessionFile } from './inbound.ts';
import type { ConversationKey } from './place.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface SessionFileDeps {
  files: Pick<Files, 'get' | 'read'>;
  directory: Pick<SessionDirectory, 'placeOf' | 'workspaceOf'>;
}

/** A file of a session that is shown in this conversation; null when there is none. */
export async function sessionFile(
  { files, directory }: SessionFileDeps,
  { conversation, file_id }: { conversation: ConversationKey; file_id: string },
): Promise<SessionFile | null> {
  const workspace_id = await directory.workspaceOf(conversation.connector, conversation.tenant);
  try {
    const file = await files.get(workspace_id, file_id);
    if (file.session_id === null) return null;
    const place = await directory.placeOf({ workspace_id, session_id: file.session_id });
    if (place === null || !isSame(place, conversation)) return null;
    const { filename, mime_type, size_bytes } = file;
    return { filename, mime_type, size_bytes, content: () => files.read(file) };
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}

function isSame(one: ConversationKey, other: ConversationKey): boolean {
  return (['connector', 'tenant', 'channel', 'thread'] as const).every((part) => one[part] === other[part]);
}
