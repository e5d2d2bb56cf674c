import type {
  AgentCreateParams,
  BetaManagedAgentsAgent,
  BetaManagedAgentsAgentToolConfig,
  BetaManagedAgentsAgentToolset20260401,
  BetaManagedAgentsMCPToolset,
} from '@anthropic-ai/sdk/resources/beta/agents/agents';
import { z } from 'zod';

/** The tools of an agent as they are sent, and as they are kept and returned: with every default filled in. */
export type ToolParams = NonNullable<AgentCreateParams['tools']>[number];
export type ResolvedTool = BetaManagedAgentsAgent['tools'][number];

const policy = z.strictObject({ type: z.enum(['always_allow', 'always_ask', 'auto']) });
const defaults = z.strictObject({
  enabled: z.boolean().nullable().exactOptional(),
  permission_policy: policy.nullable().exactOptional(),
});

function builtIn<N extends string>(name: N) {
  return z.strictObject({ name: z.literal(name), type: z.literal(name).exactOptional(), ...defaults.shape });
}

const domains = z.array(z.string().min(1).max(253)).min(1).max(64).exactOptional();

const toolConfig = z.discriminatedUnion('name', [
  builtIn('bash'),
  builtIn('edit'),
  builtIn('read'),
  builtIn('write'),
  builtIn('glob'),
  builtIn('grep'),
  builtIn('web_fetch').extend({
    allowed_domains: domains,
    blocked_domains: domains,
    max_content_tokens: z.int().min(1).nullable().exactOptional(),
  }),
  builtIn('web_search').extend({ allowed_domains: domains, blocked_domains: domains }),
]);

const agentToolset = z.strictObject({
  type: z.literal('agent_toolset_20260401'),
  configs: z.array(toolConfig).max(64).exactOptional(),
  default_config: defaults.nullable().exactOptional(),
});

const mcpToolset = z.strictObject({
  type: z.literal('mcp_toolset'),
  mcp_server_name: z.string().min(1).max(255),
  configs: z
    .array(z.strictObject({ name: z.string().min(1).max(128), ...defaults.shape }))
    .max(256)
    .exactOptional(),
  default_config: defaults.nullable().exactOptional(),
});

const customTool = z.strictObject({
  type: z.literal('custom'),
  name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/, '1 to 128 letters, digits, underscores and hyphens'),
  description: z.string().min(1).max(10_000),
  input_schema: z.looseObject({
    type: z.literal('object'),
    properties: z.record(z.string(), z.unknown()).nullable().exactOptional(),
    required: z.array(z.string()).nullable().exactOptional(),
  }),
});

export const toolsSchema = z
  .array(z.discriminatedUnion('type', [agentToolset, mcpToolset, customTool]))
  .max(256) satisfies z.ZodType<ToolParams[]>;

type Defaults = BetaManagedAgentsAgentToolset20260401['default_config'];

/** Deny by default: a tool of somebody else's server asks; the built-in ones stay inside the sandbox. */
const BUILT_IN_DEFAULT: Defaults = { enabled: true, permission_policy: { type: 'always_allow' } };
const MCP_DEFAULT: Defaults = { enabled: true, permission_policy: { type: 'always_ask' } };

export function resolveTools(tools: z.output<typeof toolsSchema>): ResolvedTool[] {
  return tools.map((tool): ResolvedTool => {
    if (tool.type === 'custom') return tool;
    if (tool.type === 'mcp_toolset') {
      const base = withDefaults(tool.default_config ?? {}, MCP_DEFAULT);
      const configs = (tool.configs ?? []).map((one) => ({ name: one.name, ...withDefaults(one, base) }));
      return {
        type: 'mcp_toolset',
        mcp_server_name: tool.mcp_server_name,
        default_config: base,
        configs,
      } satisfies BetaManagedAgentsMCPToolset;
    }
    const base = withDefaults(tool.default_config ?? {}, BUILT_IN_DEFAULT);
    const configs = (tool.configs ?? []).map((one) => resolveTool(one, base));
    return { type: 'agent_toolset_20260401', default_config: base, configs };
  });
}

function withDefaults(config: z.output<typeof defaults>, base: Defaults): Defaults {
  return {
    enabled: config.enabled ?? base.enabled,
    permission_policy: config.permission_policy ?? base.permission_policy,
  };
}

function resolveTool(config: z.output<typeof toolConfig>, base: Defaults): BetaManagedAgentsAgentToolConfig {
  const common = withDefaults(config, base);
  const named = <N extends string>(name: N) => ({ ...common, name, type: name });
  switch (config.name) {
    case 'bash':
      return named('bash');
    case 'edit':
      return named('edit');
    case 'read':
      return named('read');
    case 'write':
      return named('write');
    case 'glob':
      return named('glob');
    case 'grep':
      return named('grep');
    case 'web_fetch': {
      const { allowed_domains, blocked_domains, max_content_tokens } = config;
      return {
        ...named('web_fetch'),
        url_sources: null,
        ...(allowed_domains === undefined ? {} : { allowed_domains }),
        ...(blocked_domains === undefined ? {} : { blocked_domains }),
        ...(max_content_tokens === undefined ? {} : { max_content_tokens }),
      };
    }
    case 'web_search': {
      const { allowed_domains, blocked_domains } = config;
      return {
        ...named('web_search'),
        ...(allowed_domains === undefined ? {} : { allowed_domains }),
        ...(blocked_domains === undefined ? {} : { blocked_domains }),
      };
    }
    default:
      return config satisfies never;
  }
}
