import type { WorkspaceProvider } from './workspace.ts';

/** A gateway has no hands: a worker makes, and when idle ends, the sandboxes. */
export const noWorkspaces: WorkspaceProvider = {
  name: 'none',
  describe: () => 'no sandboxes: this process runs no turns',
  open: () => Promise.reject(new Error('This process runs no turns')),
  hasOutputs: async () => false,
  sessions: async () => [],
  destroy: async () => undefined,
  reapIdle: async () => 0,
  reapOrphans: async () => 0,
  close: async () => undefined,
};
