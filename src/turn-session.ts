import type { TurnSession } from './harness/turn-parts.ts';
import { workspaceLimitsOf } from './resources/environment-config.ts';
import type { Environments } from './resources/environments.ts';
import type { Files } from './resources/files.ts';
import type { SessionDocument } from './resources/session-document.ts';
import type { SessionRef } from './session/log.ts';
import type { WorkspaceProvider } from './tools/workspace.ts';

export interface TurnSessionDeps {
  files: Pick<Files, 'uploads' | 'read'>;
  environments: Pick<Environments, 'get'>;
  workspaces: WorkspaceProvider;
}

/** A session as its turns see it: what its document says, and the hands that it may need. */
export function createTurnSession(deps: TurnSessionDeps, ref: SessionRef, session: SessionDocument): TurnSession {
  // Only a turn that needs hands reads how they are made; people may attach files while it runs.
  let environment: ReturnType<Environments['get']> | null = null;
  const lookUp = () => {
    environment ??= deps.environments.get(ref.workspace_id, session.environment_id).catch((error: unknown) => {
      environment = null;
      throw error;
    });
    return Promise.all([environment, deps.files.uploads(ref)]);
  };
  let expected: ReturnType<typeof lookUp> | null = null;
  return {
    agent: session.agent,
    budget: session.budget,
    approval_policy: session.approval_policy,
    closed: session.archived_at !== null,
    hasOutputs: () => deps.workspaces.hasOutputs(ref.session_id),
    expectHands() {
      const looked = lookUp();
      expected = looked;
      // Whoever opens the workspace looks itself, and hears of it.
      looked.catch(() => {
        if (expected === looked) expected = null;
      });
    },
    async openWorkspace() {
      const [environment, attached] = await (expected ?? lookUp());
      const uploads = attached.map((file) => ({
        id: file._id,
        name: file.filename,
        size_bytes: file.size_bytes,
        content: () => deps.files.read(file),
      }));
      return deps.workspaces.open({ ...ref, limits: workspaceLimitsOf(environment), uploads });
    },
  };
}
