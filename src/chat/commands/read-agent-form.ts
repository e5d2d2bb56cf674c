import { InvalidInputError } from '../../errors.ts';
import { type AgentConfig, type AgentUpdate, agentUpdateSchema, configAfter } from '../../resources/agent-config.ts';
import { defaultsOf } from '../../resources/defaults.ts';
import type { EnvironmentDocument } from '../../resources/environments.ts';
import { parse } from '../../resources/parse.ts';
import { FORM_TEXT, MODELS } from './agent-form.ts';
import { APPROVAL_FIELDS, approvalMetadata, inFormWords } from './approval-fields.ts';
import type { CommandDeps, Fields } from './command.ts';
import { isToolSetting, TOOL_SETTINGS, TOOLS, type ToolSetting, withToolSettings } from './tool-settings.ts';
import { listOf } from './words.ts';

/** What a form says about an agent, or what is wrong with it, by field. */
export type FormReading = { update: AgentUpdate; config: AgentConfig } | { errors: Record<string, string> };

/** Fields that metadata keeps, and those that an error of the agent's own rules is about. */
const FIELD_OF: Readonly<Record<string, string>> = {
  name: 'name',
  model: 'model',
  system: 'instructions',
  'metadata.deckhand_owners': 'owners',
  'metadata.deckhand_budget': 'budget',
  'metadata.deckhand_environment': 'environment',
  'metadata.deckhand_guests': 'guests',
  ...Object.fromEntries(APPROVAL_FIELDS.map((name) => [`metadata.deckhand_${name}`, name])),
};

/** Most characters of a name (agent-config.ts), and of what metadata keeps by one name (metadata.ts). */
const MAX_NAME = 256;
const MAX_METADATA = 512;

/** The changes that these fields mean for an agent; fields that are not there change nothing. */
export async function readAgentForm(
  deps: CommandDeps,
  workspace_id: string,
  before: AgentConfig,
  fields: Fields,
): Promise<FormReading> {
  const errors: Record<string, string> = {};
  const metadata: Record<string, string | null> = {};
  const update: AgentUpdate = { metadata };

  if (fields.name !== undefined) {
    update.name = fields.name.trim();
    const taken = (await deps.directory.agents(workspace_id)).some(
      ({ name }) => name.toLowerCase() === update.name?.toLowerCase() && name !== before.name,
    );
    if (update.name === '' || update.name.includes('\n')) errors.name = 'Give it a name, on one line.';
    else if (update.name.length > MAX_NAME) errors.name = `At most ${MAX_NAME} characters fit here.`;
    else if (taken) errors.name = 'There is an agent of this name already.';
  }
  if (fields.model !== undefined && fields.model !== before.model.id) {
    if ((MODELS as readonly string[]).includes(fields.model)) update.model = fields.model;
    else errors.model = `Pick one of ${MODELS.join(', ')}.`;
  }
  if (fields.instructions !== undefined) {
    update.system = fields.instructions;
    if (fields.instructions.length > FORM_TEXT) {
      errors.instructions = `At most ${FORM_TEXT.toLocaleString('en')} characters fit here; the API takes more.`;
    }
  }
  const tools = readTools(fields, errors);
  if (Object.keys(tools).length > 0)
    update.tools = withToolSettings(before.tools, tools) as NonNullable<AgentUpdate['tools']>;
  if (fields.owners !== undefined) {
    const people = listOf(fields.owners);
    metadata['deckhand_owners'] = people.length === 0 ? null : people.join(',');
    if (people.length === 0) errors.owners = 'Somebody has to own it: name one person at least.';
  }
  Object.assign(metadata, approvalMetadata(fields, errors));
  if (fields.environment !== undefined) {
    const problem = await environmentProblem(deps, workspace_id, fields.environment);
    if (problem !== null) errors.environment = problem;
    metadata['deckhand_environment'] = fields.environment === 'default' ? null : fields.environment;
  }
  if (fields.guests !== undefined) metadata['deckhand_guests'] = fields.guests === 'restrict' ? null : fields.guests;
  const model = update.model === undefined ? before.model.id : fields.model;
  if (fields.budget !== undefined) {
    // Elsewhere a comma stands before the cents; before three digits it may part thousands.
    const dollars = fields.budget
      .replace(/^\$\s*/, '')
      .trim()
      .replace(/^(\d+),(\d{1,2})$/, '$1.$2');
    metadata['deckhand_budget'] = dollars === '' ? null : dollars;
  }
  const budget =
    metadata['deckhand_budget'] === undefined ? before.metadata['deckhand_budget'] : metadata['deckhand_budget'];
  if (typeof budget === 'string' && model !== undefined && !deps.hasListPrice(model)) {
    errors.budget = `${model} has no list price, so a budget cannot be kept.`;
  }
  for (const [key, value] of Object.entries(metadata)) {
    const field = FIELD_OF[`metadata.${key}`];
    if (field === undefined || value === null || value.length <= MAX_METADATA || errors[field] !== undefined) continue;
    errors[field] = value.includes(',')
      ? 'These are too many to be named one by one: name fewer, or a group.'
      : `At most ${MAX_METADATA} characters fit here.`;
  }
  if (Object.keys(errors).length > 0) return { errors };
  try {
    // The tools are our own; everything else is what somebody typed.
    const { tools: ours, ...typed } = update;
    const checked: AgentUpdate = { ...parse(agentUpdateSchema, typed), ...(ours === undefined ? {} : { tools: ours }) };
    return { update: checked, config: configAfter(before, checked) };
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const field = FIELD_OF[error.path ?? ''] ?? 'name';
    return { errors: { [field]: inFormWords(error.message.replace(`${error.path}: `, '')) } };
  }
}

function readTools(
  fields: Fields,
  errors: Record<string, string>,
): Partial<Record<(typeof TOOLS)[number], ToolSetting>> {
  const settings: Partial<Record<(typeof TOOLS)[number], ToolSetting>> = {};
  for (const tool of TOOLS) {
    const word = fields[tool];
    if (word === undefined) continue;
    if (isToolSetting(word)) settings[tool] = word;
    else errors[tool] = `Pick one of ${Object.keys(TOOL_SETTINGS).join(', ')}.`;
  }
  return settings;
}

/** Why an agent cannot be given this environment; null when it can. */
export async function environmentProblem(deps: CommandDeps, workspace_id: string, id: string): Promise<string | null> {
  if (id === 'default') return null;
  const others = await environmentsBeside(deps, workspace_id, id);
  if (others.some((one) => one._id === id)) return null;
  return `There is no such environment. There is: ${['default', ...others.map((one) => one._id)].join(', ')}.`;
}

/** Those to choose from beside the default one; that one is among them where it was chosen by its id. */
export async function environmentsBeside(
  deps: Pick<CommandDeps, 'environments'>,
  workspace_id: string,
  chosen: string | null,
): Promise<EnvironmentDocument[]> {
  const { items } = await deps.environments.list(workspace_id, { limit: 100 });
  const { environment_id } = defaultsOf(workspace_id);
  return items.filter(({ _id }) => _id !== environment_id || _id === chosen);
}
