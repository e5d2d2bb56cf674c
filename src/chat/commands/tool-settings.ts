import type { ResolvedTool } from '../../resources/tool-config.ts';

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
  if (!config.enabled) return 'off';
  switch (config.permission_policy.type) {
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
