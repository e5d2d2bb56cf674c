import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BetaDeletedFile, BetaFileMetadata } from '@anthropic-ai/sdk/resources/beta/files';
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';
import type { FileDocument, Files } from '../resources/files.ts';
import { workspaceOf } from './auth.ts';
import { answering } from './body.ts';
import { partsOf } from './multipart.ts';
import { listOf, pageBody, pageParams, queryOf } from './query.ts';

interface ById {
  params: { id: string };
}

const ids = listOf(z.string().min(1).max(128));
const listQuery = z.object({ ...pageParams, scope_id: z.string().max(128).exactOptional(), 'ids[]': ids, ids });

export type FileRoutesDeps = Pick<Files, 'among' | 'get' | 'keep' | 'list' | 'read' | 'remove'>;

/** `/v1/files`. To be mounted before anything that reads bodies: a file is taken as it arrives. */
export function fileRoutes({ files }: { files: FileRoutesDeps }): Router {
  const routes = Router();
  routes.post(
    '/',
    answering(async (req: Request, res) => toMetadata(await upload(files, req, workspaceOf(res)))),
  );
  routes.get(
    '/',
    answering(async (req: { query: unknown }, res) => {
      const { scope_id, ids: plain, 'ids[]': asked = plain, ...request } = queryOf(req, listQuery);
      if (asked !== undefined) {
        const found = await files.among(workspaceOf(res), asked);
        return { data: found.map(toMetadata), next_page: null };
      }
      const scope = scope_id === undefined ? {} : { session_id: scope_id };
      return pageBody(await files.list(workspaceOf(res), { ...request, ...scope }), toMetadata);
    }),
  );
  routes.get(
    '/:id',
    answering(async (req: ById, res) => toMetadata(await files.get(workspaceOf(res), req.params.id))),
  );
  routes.get('/:id/content', async (req: ById, res: Response) => {
    const file = await files.get(workspaceOf(res), req.params.id);
    res.set({
      'content-type': file.mime_type,
      'content-length': String(file.size_bytes),
      // Whatever it is, it is nothing that a browser should run in this house's name.
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
    });
    await pipeline(Readable.from(files.read(file)), res);
  });
  routes.delete(
    '/:id',
    answering(async (req: ById, res) => {
      await files.remove(workspaceOf(res), req.params.id);
      return { id: req.params.id, type: 'file_deleted' } satisfies BetaDeletedFile;
    }),
  );
  return routes;
}

/** The form's one file. Nothing of it stays when there is something wrong with the form. */
async function upload(files: FileRoutesDeps, req: Request, workspace_id: string): Promise<FileDocument> {
  let kept: FileDocument | null = null;
  const body = req.iterator({ destroyOnReturn: false });
  try {
    for await (const part of partsOf(body, req.get('content-type'))) {
      if (part.name !== 'file') throw new InvalidInputError('is not supported', part.name);
      if (part.filename === null) throw new InvalidInputError('is not a file: send it with a filename', 'file');
      if (kept !== null) throw new InvalidInputError('one file at a time', 'file');
      const { filename, mime_type } = part;
      // Only its last part, as the API says.
      const name = filename.split(/[/\\]/).at(-1) || 'unnamed';
      const file = { workspace_id, session_id: null, filename: name, mime_type, purpose: 'upload' as const };
      kept = await files.keep(file, part.content);
    }
    if (kept === null) throw new InvalidInputError('is missing', 'file');
    return kept;
  } catch (error) {
    if (kept !== null) await files.remove(workspace_id, kept._id);
    throw error;
  } finally {
    // What is refused midway still arrives, and the client's next request stands behind it on the same connection.
    await body.return?.();
    req.resume();
  }
}

function toMetadata(file: FileDocument): BetaFileMetadata {
  return {
    id: file._id,
    type: 'file',
    filename: file.filename,
    mime_type: file.mime_type,
    size_bytes: file.size_bytes,
    created_at: file.created_at.toISOString(),
    downloadable: true,
    expires_at: null,
    scope: file.session_id === null ? null : { type: 'session', id: file.session_id },
  };
}
