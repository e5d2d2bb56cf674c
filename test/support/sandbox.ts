import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBubblewrapProvider } from '../../sandbox/index.ts';
import { silentLogger } from '../../src/logger.ts';
import type { ExecResult, Workspace, WorkspaceLimits, WorkspaceProvider } from '../../src/tools/workspace.ts';

const MiB = 1024 * 1024;

/** Small enough that every limit is reached at once. */
const SMALL: Partial<WorkspaceLimits> = {
  processes: 64,
  memory_bytes: 128 * MiB,
  cpus: 1,
  file_bytes: 256 * MiB,
  disk_bytes: 64 * MiB,
  output_bytes: 16 * MiB,
  timeout_ms: 15_000,
};

export interface TestSandbox extends AsyncDisposable {
  provider: WorkspaceProvider;
  dataDir: string;
  open(sessionId?: string, limits?: Partial<WorkspaceLimits>): Promise<Workspace>;
}

/** A provider over a folder of its own; everything goes at the end. */
export function testSandbox(): TestSandbox {
  const dataDir = mkdtempSync(join(tmpdir(), 'deckhand-sandbox-'));
  const provider = createBubblewrapProvider({
    data_dir: dataDir,
    worker_id: 'test',
    logger: silentLogger,
    defaults: SMALL,
  });
  return {
    provider,
    dataDir,
    open: (sessionId = 'sesn_test', limits = {}) =>
      provider.open({ workspace_id: 'default', session_id: sessionId, limits }),
    async [Symbol.asyncDispose]() {
      await provider.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export function run(workspace: Workspace, command: string, timeout_ms?: number): Promise<ExecResult> {
  const request = timeout_ms === undefined ? { command } : { command, timeout_ms };
  return workspace.exec(request, new AbortController().signal);
}
