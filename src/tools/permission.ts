import type {
  BetaManagedAgentsAgent,
  BetaManagedAgentsAgentToolset20260401,
} from '@anthropic-ai/sdk/resources/beta/agents/agents';
import type {
  BetaManagedAgentsAgentToolEvaluation,
  BetaManagedAgentsAgentToolUseEvent,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { isHarmlessCommand } from './command-risk.ts';

export type PermissionPolicy = BetaManagedAgentsAgentToolset20260401['default_config']['permission_policy']['type'];

/** What an agent's configuration says about one tool of the built-in toolset. */
export interface ToolPermission {
  enabled: boolean;
  policy: PermissionPolicy;
}

/** The verdict on one call, in the words of the `agent.tool_use` event that records it. */
export interface PermissionVerdict {
  evaluated_permission: NonNullable<BetaManagedAgentsAgentToolUseEvent['evaluated_permission']>;
  /** Absent when the call was refused before any policy applied. */
  evaluation?: BetaManagedAgentsAgentToolEvaluation;
}

/** Tools that only look at the workspace: `auto` lets them run. */
const READ_ONLY_TOOLS: ReadonlySet<string> = new Set(['read', 'glob', 'grep']);

/**
 * The permission of a tool by name, from the agent's resolved `tools`. A name that no built-in toolset has is disabled.
 * The last toolset that names a tool wins, and its own entry wins over the toolset's default.
 */
export function permissionOf(tools: BetaManagedAgentsAgent['tools'], name: string): ToolPermission {
  const toolset = tools.findLast((entry) => entry.type === 'agent_toolset_20260401');
  if (toolset === undefined) return { enabled: false, policy: 'always_ask' };
  const config = toolset.configs.findLast((entry) => entry.name === name) ?? toolset.default_config;
  return { enabled: config.enabled, policy: config.permission_policy.type };
}

/** Of these tools, the ones that this agent offers to Claude, in the given order. */
export function offeredTools<T extends { definition: { name: string } }>(
  tools: BetaManagedAgentsAgent['tools'],
  available: readonly T[],
): T[] {
  return available.filter((tool) => permissionOf(tools, tool.definition.name).enabled);
}

/**
 * Whether a call may run, waits for a person, or is refused. Under `auto` the judge is small and never guesses:
 * a tool that only reads the workspace is safe, and so is a command that only reads or computes (command-risk.ts);
 * anything else is `indeterminate` and a person decides.
 */
export function evaluatePermission(permission: ToolPermission, name: string, input: unknown): PermissionVerdict {
  if (!permission.enabled) return { evaluated_permission: 'deny' };
  switch (permission.policy) {
    case 'always_allow':
      return { evaluated_permission: 'allow', evaluation: { type: 'always_allow' } };
    case 'always_ask':
      return { evaluated_permission: 'ask', evaluation: { type: 'always_ask' } };
    case 'auto':
      return READ_ONLY_TOOLS.has(name) || (name === 'bash' && isHarmlessBash(input))
        ? { evaluated_permission: 'allow', evaluation: { type: 'auto', evaluated_permission: { type: 'allow' } } }
        : {
            evaluated_permission: 'ask',
            evaluation: { type: 'auto', evaluated_permission: { type: 'ask', reason_code: 'indeterminate' } },
          };
    default:
      return permission.policy satisfies never;
  }
}

/** A restart only ends what the session itself started. */
function isHarmlessBash(input: unknown): boolean {
  if (typeof input !== 'object' || input === null) return false;
  if ('restart' in input && input.restart === true) return !('command' in input);
  return 'command' in input && typeof input.command === 'string' && isHarmlessCommand(input.command);
}
