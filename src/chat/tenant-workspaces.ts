import { DEFAULT_WORKSPACE, type DefaultsDeps, ensureDefaults } from '../resources/defaults.ts';
import { derivedId } from '../session/id.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Roles } from './roles.ts';

export interface TenantWorkspacesDeps extends DefaultsDeps {
  conversations: Pick<ConversationStore, 'workspaceOf'>;
  roles: Pick<Roles, 'give'>;
}

/** The workspaces of tenants that install Deckhand on a platform: each has one of its own. */
export interface TenantWorkspaces {
  /**
   * Where a tenant belongs of which no installation says it: where its conversations are, if it was here before, else in a
   * workspace of its own, the same however often this is asked.
   */
  of(connector: string, tenant: string): Promise<string>;
  /**
   * Make what this workspace starts with. A repeat changes nothing.
   * @param installed_by actor id of whoever is its admin from now on. The default workspace's are configured, whoever installs
   */
  open(workspace_id: string, installed_by: string): Promise<void>;
}

export function createTenantWorkspaces(deps: TenantWorkspacesDeps): TenantWorkspaces {
  return {
    async of(connector, tenant) {
      return (await deps.conversations.workspaceOf(connector, tenant)) ?? derivedId('wrkspc', `${connector}_${tenant}`);
    },
    async open(workspace_id, installed_by) {
      await ensureDefaults(deps, workspace_id);
      if (workspace_id !== DEFAULT_WORKSPACE) await deps.roles.give(workspace_id, installed_by, 'admin');
    },
  };
}
