import type {
  BetaManagedAgentsBudgetLimit,
  BetaManagedAgentsSessionAgent,
  SessionCreateParams,
  SessionUpdateParams,
} from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { z } from 'zod';
import {
  checkTools,
  mcpServersSchema,
  modelSchema,
  resolveModel,
  resolveSkills,
  skillsSchema,
  systemSchema,
} from './agent-config.ts';
import type { AgentDocument } from './agents.ts';
import { outcomeSchema, userMessageSchema } from './event-params.ts';
import { metadataPatchSchema, metadataSchema } from './metadata.ts';
import { fileResourceSchema } from './session-resources.ts';
import { resolveTools, toolsSchema } from './tool-config.ts';

const budgetSchema = z.strictObject({
  type: z.literal('limit'),
  max_list_cost: z.strictObject({
    amount: z.string().regex(/^[1-9]\d{0,11}$/, 'must be a positive whole number of cents as a string'),
    currency: z.literal('USD'),
  }),
}) satisfies z.ZodType<BetaManagedAgentsBudgetLimit>;

/** Mounted with a new session; more can be added to it. */
const MAX_RESOURCES = 100;

const version = z.int().min(1);
const title = z.string().max(512).nullable();

const agentReference = z.union([
  z.string().min(1).max(128),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('agent'), id: z.string().min(1).max(128), version: version.exactOptional() }),
    z.strictObject({
      type: z.literal('agent_with_overrides'),
      id: z.string().min(1).max(128),
      version: version.exactOptional(),
      mcp_servers: mcpServersSchema.exactOptional(),
      model: modelSchema.exactOptional(),
      skills: skillsSchema.exactOptional(),
      system: systemSchema.nullable().exactOptional(),
      tools: toolsSchema.exactOptional(),
    }),
  ]),
]);

/** What the API offers and this version of Deckhand does not: refused in words rather than silently left out. */
function notYet(what: string) {
  return z.array(z.never()).max(0, `${what} are not supported yet`);
}

export const sessionCreateSchema = z.strictObject({
  agent: agentReference,
  environment_id: z.string().min(1).max(128),
  budget: budgetSchema.exactOptional(),
  initial_events: z
    .array(z.discriminatedUnion('type', [userMessageSchema, outcomeSchema]))
    .max(50)
    .exactOptional(),
  metadata: metadataSchema.exactOptional(),
  resources: z.array(fileResourceSchema).max(MAX_RESOURCES).exactOptional(),
  title: title.exactOptional(),
  vault_ids: notYet('vaults').exactOptional(),
}) satisfies z.ZodType<Omit<SessionCreateParams, 'betas' | 'workspace_id'>>;

export const sessionUpdateSchema = z.strictObject({
  agent: z
    .strictObject({ mcp_servers: mcpServersSchema.exactOptional(), tools: toolsSchema.exactOptional() })
    .exactOptional(),
  budget: budgetSchema.nullable().exactOptional(),
  metadata: metadataPatchSchema.nullable().exactOptional(),
  title: title.exactOptional(),
  vault_ids: notYet('vaults').exactOptional(),
}) satisfies z.ZodType<Omit<SessionUpdateParams, 'betas' | 'workspace_id'>>;

export type SessionCreate = z.output<typeof sessionCreateSchema>;
export type SessionUpdate = z.output<typeof sessionUpdateSchema>;

/** The agent that a session is to run, by id and version; a bare id is the current version. */
export function referenceOf(agent: SessionCreate['agent']): { id: string; version?: number } {
  if (typeof agent === 'string') return { id: agent };
  return { id: agent.id, ...(agent.version === undefined ? {} : { version: agent.version }) };
}

/** The agent as the session keeps it, whatever becomes of the agent. @throws InvalidInputError for bad overrides */
export function snapshotOf(agent: AgentDocument, params: SessionCreate['agent']): BetaManagedAgentsSessionAgent {
  const { config } = agent;
  const snapshot: BetaManagedAgentsSessionAgent = {
    id: agent._id,
    type: 'agent',
    version: agent.version,
    name: config.name,
    description: config.description,
    execution_identity: config.execution_identity,
    mcp_servers: config.mcp_servers,
    model: config.model,
    multiagent: null,
    skills: config.skills,
    system: config.system,
    tools: config.tools,
  };
  if (typeof params === 'string' || params.type === 'agent') return snapshot;
  if (params.model !== undefined) snapshot.model = resolveModel(params.model);
  if (params.skills !== undefined) snapshot.skills = resolveSkills(params.skills);
  if (params.system !== undefined) snapshot.system = params.system === '' ? null : params.system;
  return withTools(snapshot, params);
}

/** The snapshot with other tools or servers. @throws InvalidInputError */
export function withTools(
  snapshot: BetaManagedAgentsSessionAgent,
  params: NonNullable<SessionUpdate['agent']>,
): BetaManagedAgentsSessionAgent {
  const changed = {
    ...snapshot,
    ...(params.mcp_servers === undefined ? {} : { mcp_servers: params.mcp_servers }),
    ...(params.tools === undefined ? {} : { tools: resolveTools(params.tools) }),
  };
  checkTools(changed, ['agent']);
  return changed;
}
