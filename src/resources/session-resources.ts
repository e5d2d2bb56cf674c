import type { BetaManagedAgentsFileResource } from '@anthropic-ai/sdk/resources/beta/sessions/resources';
import type { BetaManagedAgentsFileResourceParams } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { z } from 'zod';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { derivedId } from '../session/id.ts';
import type { SessionRef } from '../session/log.ts';
import { UPLOADS } from '../session/mounts.ts';
import { safeFileName } from './file-name.ts';
import type { FileDocument, Files } from './files.ts';

/** Where a session's files are mounted: one folder, so a path is a name in it. */
const mountPath = z
  .string()
  .max(300)
  .refine((path) => nameIn(path) !== null, `must be a plain name below ${UPLOADS}/`)
  .nullable();

export const fileResourceSchema = z.strictObject({
  type: z.literal('file', 'only files can be mounted so far'),
  file_id: z.string().min(1).max(128),
  mount_path: mountPath.exactOptional(),
}) satisfies z.ZodType<BetaManagedAgentsFileResourceParams>;

export type FileResource = z.output<typeof fileResourceSchema>;

function nameIn(path: string): string | null {
  const name = path.startsWith(`${UPLOADS}/`) ? path.slice(UPLOADS.length + 1) : '';
  return name !== '' && safeFileName(name) === name ? name : null;
}

/** As the API names it when nobody says where: by the file's id. */
function nameOf({ file_id, mount_path }: FileResource): string {
  return nameIn(mount_path ?? '') ?? file_id;
}

/**
 * Mount a file of the workspace in a session: the session gets its own copy, whatever becomes of the file.
 * @throws NotFoundError (file, session), InvalidInputError when something is mounted there already
 */
export async function mountFile(
  files: Pick<Files, 'get' | 'keep' | 'read' | 'remove'>,
  ref: SessionRef,
  params: FileResource,
  path = 'mount_path',
): Promise<FileDocument> {
  const source = await files.get(ref.workspace_id, params.file_id);
  const filename = nameOf(params);
  const { mime_type, _id: source_id } = source;
  const copy = await files.keep({ ...ref, filename, mime_type, purpose: 'upload', source_id }, files.read(source));
  if (copy.filename === filename) return copy;
  // Numbers are for people's uploads: a program asks for what it then uses.
  await files.remove(ref.workspace_id, copy._id);
  throw new InvalidInputError(`something is mounted at ${UPLOADS}/${filename} already`, path);
}

/** A file that is mounted in the session, by the resource's id. @throws NotFoundError */
export async function mountedFile(
  files: Pick<Files, 'among'>,
  ref: SessionRef,
  resource_id: string,
): Promise<FileDocument> {
  const [file] = await files.among(ref.workspace_id, [derivedId('file', resource_id)]);
  const isMounted = file?.session_id === ref.session_id && file.purpose === 'upload';
  if (!isMounted || resource_id !== resourceIdOf(file)) throw new NotFoundError('Resource', resource_id);
  return file;
}

function resourceIdOf(file: Pick<FileDocument, '_id'>): string {
  return derivedId('sesrsc', file._id);
}

/** As the API shows it: what people attached in chat is mounted like any other. */
export function toResource(file: FileDocument): BetaManagedAgentsFileResource {
  const created_at = file.created_at.toISOString();
  return {
    id: resourceIdOf(file),
    type: 'file',
    file_id: file.source_id ?? file._id,
    mount_path: `${UPLOADS}/${file.filename}`,
    created_at,
    updated_at: created_at,
  };
}
