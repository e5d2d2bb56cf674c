import type {
  AgentCreateParams,
  AgentUpdateParams,
  BetaManagedAgentsAgent,
  BetaManagedAgentsModelConfig,
} from '@anthropic-ai/sdk/resources/beta/agents/agents';
import { BSON } from 'mongodb';
import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';
import { agentSettingsOf } from './agent-settings.ts';
import { approvalPolicyOf } from './approval-policy.ts';
import { metadataPatchSchema, metadataSchema, patchMetadata } from './metadata.ts';
import { isGiven } from './parse.ts';
import { resolveTools, toolsSchema } from './tool-config.ts';

/** What a version of an agent is made of. */
export type AgentConfig = Omit<
  BetaManagedAgentsAgent,
  'id' | 'type' | 'version' | 'created_at' | 'updated_at' | 'archived_at'
>;

const effort = z.enum(['low', 'medium', 'high', 'xhigh', 'max']);

export const modelSchema = z.union([
  z.string().min(1).max(256),
  z.strictObject({
    id: z.string().min(1).max(256),
    effort: z
      .union([effort, z.strictObject({ type: effort })])
      .nullable()
      .exactOptional(),
    inference_geo: z.string().min(1).max(64).nullable().exactOptional(),
    speed: z.enum(['standard', 'fast']).nullable().exactOptional(),
  }),
]);

export const mcpServersSchema = z
  .array(
    z.strictObject({
      type: z.literal('url'),
      name: z.string().min(1).max(255),
      url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2048),
    }),
  )
  .max(20);

export const skillsSchema = z
  .array(
    z.strictObject({
      type: z.enum(['anthropic', 'custom']),
      skill_id: z.string().min(1).max(256),
      version: z.string().min(1).max(64).nullable().exactOptional(),
    }),
  )
  .max(64);

export const systemSchema = z.string().max(100_000);
const name = z.string().trim().min(1).max(256);
const description = z.string().max(2048);
const identity = z.strictObject({ type: z.literal('service_account', 'only service_account is supported') });
const multiagent = z.null('multiagent is not supported yet; leave it out or send null');

export const agentCreateSchema = z.strictObject({
  model: modelSchema,
  name,
  description: description.nullable().exactOptional(),
  execution_identity: identity.nullable().exactOptional(),
  mcp_servers: mcpServersSchema.exactOptional(),
  metadata: metadataSchema.exactOptional(),
  multiagent: multiagent.exactOptional(),
  skills: skillsSchema.exactOptional(),
  system: systemSchema.nullable().exactOptional(),
  tools: toolsSchema.exactOptional(),
}) satisfies z.ZodType<Omit<AgentCreateParams, 'betas' | 'workspace_id'>>;

export const agentUpdateSchema = z.strictObject({
  model: modelSchema.exactOptional(),
  name: name.exactOptional(),
  description: description.nullable().exactOptional(),
  execution_identity: identity.nullable().exactOptional(),
  mcp_servers: mcpServersSchema.nullable().exactOptional(),
  metadata: metadataPatchSchema.nullable().exactOptional(),
  multiagent: multiagent.exactOptional(),
  skills: skillsSchema.nullable().exactOptional(),
  system: systemSchema.nullable().exactOptional(),
  tools: toolsSchema.nullable().exactOptional(),
  version: z.int().min(1).exactOptional(),
}) satisfies z.ZodType<Omit<AgentUpdateParams, 'betas' | 'workspace_id'>>;

export type AgentCreate = z.output<typeof agentCreateSchema>;
export type AgentUpdate = z.output<typeof agentUpdateSchema>;

/** A new agent's configuration with every default filled in. @throws InvalidInputError */
export function configFrom(params: AgentCreate): AgentConfig {
  return checked({
    name: params.name,
    description: emptyToNull(params.description),
    execution_identity: { type: 'service_account' },
    mcp_servers: params.mcp_servers ?? [],
    metadata: params.metadata ?? {},
    model: resolveModel(params.model),
    multiagent: null,
    skills: resolveSkills(params.skills ?? []),
    system: emptyToNull(params.system),
    tools: resolveTools(params.tools ?? []),
  });
}

/** The configuration after an update: what is left out stays, null clears. @throws InvalidInputError */
export function configAfter(before: AgentConfig, params: AgentUpdate): AgentConfig {
  return checked({
    ...before,
    ...(params.name === undefined ? {} : { name: params.name }),
    ...(params.description === undefined ? {} : { description: emptyToNull(params.description) }),
    ...(params.mcp_servers === undefined ? {} : { mcp_servers: params.mcp_servers ?? [] }),
    ...(isGiven(params.metadata) ? { metadata: patchMetadata(before.metadata, params.metadata) } : {}),
    ...(params.model === undefined ? {} : { model: resolveModel(params.model, before.model) }),
    ...(params.skills === undefined ? {} : { skills: resolveSkills(params.skills ?? []) }),
    ...(params.system === undefined ? {} : { system: emptyToNull(params.system) }),
    ...(params.tools === undefined ? {} : { tools: resolveTools(params.tools ?? []) }),
  });
}

/** The model with its defaults; effort is kept from `before` when it is not named, as the API does. */
export function resolveModel(
  model: z.output<typeof modelSchema>,
  before?: BetaManagedAgentsModelConfig,
): BetaManagedAgentsModelConfig {
  const params = typeof model === 'string' ? { id: model } : model;
  const named = typeof params.effort === 'string' ? { type: params.effort } : params.effort;
  const kept = named === undefined ? before?.effort : named;
  return {
    id: params.id,
    ...(isGiven(kept) ? { effort: kept } : {}),
    ...(isGiven(params.inference_geo) ? { inference_geo: params.inference_geo } : {}),
    speed: params.speed ?? 'standard',
  };
}

export function resolveSkills(skills: z.output<typeof skillsSchema>): AgentConfig['skills'] {
  return skills.map((skill) => ({ type: skill.type, skill_id: skill.skill_id, version: skill.version ?? 'latest' }));
}

/** A configuration as it is stored, in bytes: every session holds one beside its log's tail, and a list holds a hundred. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Rules that span several fields; they also hold for a session's overrides, which stand below `at`.
 * @throws InvalidInputError
 */
export function checkTools(config: Pick<AgentConfig, 'mcp_servers' | 'tools'>, at: string[] = []): void {
  const path = (field: 'mcp_servers' | 'tools') => [...at, field].join('.');
  // Everything else in it is bounded field by field.
  const bytes = BSON.calculateObjectSize(config, { ignoreUndefined: true });
  if (bytes > MAX_CONFIG_BYTES) {
    throw new InvalidInputError(
      `the agent has ${bytes} bytes, stored; at most ${MAX_CONFIG_BYTES} fit. Shorten descriptions or schemas`,
      path('tools'),
    );
  }
  const servers = config.mcp_servers.map((server) => server.name);
  const toolsets = config.tools.flatMap((tool) => (tool.type === 'mcp_toolset' ? [tool.mcp_server_name] : []));
  const custom = config.tools.flatMap((tool) => (tool.type === 'custom' ? [tool.name] : []));
  refuseDuplicate(servers, path('mcp_servers'), 'server name');
  refuseDuplicate(toolsets, path('tools'), 'MCP server');
  refuseDuplicate(custom, path('tools'), 'tool name');
  for (const server of servers) {
    if (toolsets.includes(server)) continue;
    throw new InvalidInputError(`server ${server} is not used by an mcp_toolset in tools`, path('mcp_servers'));
  }
  for (const toolset of toolsets) {
    if (servers.includes(toolset)) continue;
    throw new InvalidInputError(`there is no MCP server ${toolset} in mcp_servers`, path('tools'));
  }
}

function checked(config: AgentConfig): AgentConfig {
  checkTools(config);
  approvalPolicyOf(config);
  agentSettingsOf(config);
  return config;
}

function refuseDuplicate(names: string[], path: string, what: string): void {
  const twice = names.find((one, index) => names.indexOf(one) !== index);
  if (twice !== undefined) throw new InvalidInputError(`the ${what} ${twice} occurs twice`, path);
}

function emptyToNull(text: string | null | undefined): string | null {
  return !isGiven(text) || text === '' ? null : text;
}
