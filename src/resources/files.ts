import type { SessionRef } from '../session/log.ts';
import type { PageOf, PageRequest } from './page.ts';

/**
 * A file, from its first byte on.
 *
 *   arriving  its bytes are being written; nobody sees it. Left when they are all there, and by the sweep when nothing came
 *             until `due_at`: whoever wrote it is dead or stuck.
 *   kept      whole: its bytes never change.
 *   removed   nobody sees it any more; its bytes and its room go now, or with the sweep from `due_at` on.
 */
export interface FileDocument {
  _id: string;
  workspace_id: string;
  /** The session that it belongs to and is deleted with; null: the workspace's own, until somebody deletes it. */
  session_id: string | null;
  /** One safe path component. */
  filename: string;
  mime_type: string;
  /** `upload`: the session's sandbox has it, read-only, under its name. `output`: the agent made it. */
  purpose: 'upload' | 'output';
  size_bytes: number;
  /** Hex. */
  sha256: string;
  created_at: Date;
  state: 'arriving' | 'kept' | 'removed';
  /** By the database's clock. */
  due_at?: Date;
  /** Whoever keeps the same thing again gets this file. */
  key?: string;
  /** Of a session's uploads no two have the same. */
  mounted_as?: string;
  /** The workspace's file that it is a copy of. */
  source_id?: string;
  /** It has taken room. Absent: it is from before that was counted, and has none to give back. */
  counted?: true;
}

export interface NewFile {
  workspace_id: string;
  session_id: string | null;
  /** As somebody gave it: it is made safe here. */
  filename: string;
  mime_type: string;
  purpose: FileDocument['purpose'];
  /** What must exist once, however often it is repeated; absent: each is a new one. */
  key?: string;
  source_id?: string;
}

export interface FileList extends PageRequest {
  session_id?: string;
  purpose?: FileDocument['purpose'];
}

export interface Files {
  /** Largest that is kept. */
  readonly max_bytes: number;
  /**
   * Write it, a chunk at a time, however large it is. The same `key` again gives the first one; another upload of the same
   * name in the session gets a number. Nothing stays of what fails.
   * @throws FileTooLargeError; FilesFullError; NotFoundError when its session is gone; what `content` throws
   */
  keep(file: NewFile, content: AsyncIterable<Uint8Array>): Promise<FileDocument>;
  /** The file that was kept with this key, if it was. */
  withKey(workspace_id: string, key: string): Promise<FileDocument | null>;
  /** @throws NotFoundError */
  get(workspace_id: string, file_id: string): Promise<FileDocument>;
  /** Those of these that there are, in no order. */
  among(workspace_id: string, file_ids: readonly string[]): Promise<FileDocument[]>;
  /** Its bytes. @throws when they were removed midway */
  read(file: Pick<FileDocument, '_id' | 'size_bytes'>): AsyncGenerator<Uint8Array>;
  /** What the session's sandbox has to have. */
  uploads(ref: SessionRef): Promise<FileDocument[]>;
  /** The same for several sessions of a workspace. */
  uploadsOf(workspace_id: string, session_ids: readonly string[]): Promise<FileDocument[]>;
  list(workspace_id: string, request: FileList): Promise<PageOf<FileDocument>>;
  /** @throws NotFoundError */
  remove(workspace_id: string, file_id: string): Promise<void>;
  /** A deleted session leaves no file behind. Safe to call again. */
  forget(ref: SessionRef): Promise<void>;
  /** Remove what never arrived, and finish what was being removed. Returns how many files that were. */
  sweep(): Promise<number>;
}
