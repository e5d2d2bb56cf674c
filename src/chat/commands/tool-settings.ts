import type { AgentConfig } from '../../resources/agent-config.ts';
import type { ResolvedTool } from '../../resources/tool-config.ts';
import { plain } from './command.ts';
import { someOf } from './words.ts';

/** The built-in tools that a form sets, each by one word. */
export const TOOLS = ['bash', 'read', 'write', 'edit', 'glob', 'grep'] as const;
type ToolName = (typeof TOOLS)[number];

/** What a person picks for a tool, and the permission policy it means; `off`: the agent does not have it. */
export const TOOL_SETTINGS = {
  off: { label: 'Off', policy: null },
  allow: { label: 'Runs by itself', policy: 'always_allow' },
  auto: { label: 'Asks when risky', policy: 'auto' },
  ask: { label: 'Always asks', policy: 'always_ask' },
} as const;
export type ToolSetting = keyof typeof TOOL_SETTINGS;

type Toolset = Extract<ResolvedTool, { type: 'agent_toolset_20260401' }>;

export function isToolSetting(word: string): word is ToolSetting {
  return word in TOOL_SETTINGS;
}

export function toolSetting(tools: readonly ResolvedTool[], name: ToolName): ToolSetting {
  const toolset = tools.find((tool): tool is Toolset => tool.type === 'agent_toolset_20260401');
  if (toolset === undefined) return 'off';
  const config = toolset.configs.find((one) => one.name === name) ?? toolset.default_config;
  return settingOf(config);
}

function settingOf({ enabled, permission_policy }: Toolset['default_config']): ToolSetting {
  if (!enabled) return 'off';
  switch (permission_policy.type) {
    case 'always_allow':
      return 'allow';
    case 'always_ask':
      return 'ask';
    default:
      return 'auto';
  }
}

/** The tools with these settings; everything that no form shows stays as it is. */
export function withToolSettings(
  tools: readonly ResolvedTool[],
  settings: Readonly<Partial<Record<ToolName, ToolSetting>>>,
): ResolvedTool[] {
  const before = tools.find((tool): tool is Toolset => tool.type === 'agent_toolset_20260401');
  const others = tools.filter((tool) => tool !== before);
  const kept = (before?.configs ?? []).filter(({ name }) => settings[name as ToolName] === undefined);
  const changed = TOOLS.flatMap((name): Toolset['configs'] => {
    const policy = settings[name] === undefined ? undefined : TOOL_SETTINGS[settings[name]].policy;
    if (policy === undefined) return [];
    return [
      {
        name,
        type: name,
        enabled: policy !== null,
        permission_policy: { type: policy ?? 'always_ask' },
      } as Toolset['configs'][number],
    ];
  });
  const default_config = before?.default_config ?? { enabled: false, permission_policy: { type: 'always_ask' } };
  const configs = [...kept, ...changed];
  if (before === undefined && configs.every(({ enabled }) => !enabled)) return others;
  return [{ type: 'agent_toolset_20260401', default_config, configs }, ...others];
}

/** The tools that no form sets, in lines of a list: those of its own, and those of MCP servers. */
export function otherToolLines({ tools, mcp_servers }: Pick<AgentConfig, 'mcp_servers' | 'tools'>): string[] {
  const custom = tools.flatMap((tool) => (tool.type === 'custom' ? [`\`${tool.name}\``] : []));
  const servers = mcp_servers.map(({ name, url }) => {
    const toolset = tools.find((tool) => tool.type === 'mcp_toolset' && tool.mcp_server_name === name);
    const settings = toolset?.type === 'mcp_toolset' ? mcpSettings(toolset) : 'off';
    return `${plain(name)} on ${new URL(url).host} (${settings})`;
  });
  return [
    ...(custom.length === 0 ? [] : [`- Custom tools: ${someOf(custom)}`]),
    ...(servers.length === 0 ? [] : [`- MCP servers: ${someOf(servers)}`]),
  ];
}

/** What holds for a server's tools, and for which it is another: `ask; search: allow`. */
function mcpSettings({ default_config, configs }: Extract<ResolvedTool, { type: 'mcp_toolset' }>): string {
  const usual = settingOf(default_config);
  const others = configs.filter((one) => settingOf(one) !== usual);
  return [
    usual,
    ...(others.length === 0 ? [] : [someOf(others.map((one) => `${plain(one.name)}: ${settingOf(one)}`))]),
  ].join('; ');
}
