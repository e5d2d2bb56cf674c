import type { AgentConfig } from '../../resources/agent-config.ts';
import { agentSettingsOf, GUEST_SETTINGS, type GuestSetting } from '../../resources/agent-settings.ts';
import type { EnvironmentDocument } from '../../resources/environments.ts';
import type { FormField } from '../inbound.ts';
import type { AgentChannels } from './agent-channels.ts';
import { APPROVAL_FIELDS, approvalFields } from './approval-fields.ts';
import { TOOL_SETTINGS, TOOLS, toolSetting, withToolSettings } from './tool-settings.ts';

/** The models that a form offers; the API takes others. */
export const MODELS = [
  'claude-sonnet-5-5',
  'claude-opus-5-5',
  'claude-haiku-5-5',
  'claude-fable-5-2',
  'claude-mythos-5-2',
] as const;

/** Longest text in a form, in characters: Slack's inputs hold no more (docs.slack.dev, plain-text input). */
export const FORM_TEXT = 3_000;
/** Longest name that a form takes; the API takes longer ones. */
const NAME = 80;

/** Only a platform that draws this one says which channels its person sees. */
export const DRAWN_FIELD = 'channels';

/** Fields of an agent that people fill in. */
export const AGENT_FIELDS = [
  'name',
  'model',
  'instructions',
  ...TOOLS,
  'owners',
  'environment',
  DRAWN_FIELD,
  'budget',
  'guests',
  ...APPROVAL_FIELDS,
] as const;

export const GUEST_WORDS: Readonly<Record<GuestSetting, string>> = {
  restrict: 'In sessions that they began',
  allow: 'In all sessions',
  deny: 'Not at all',
};

/** What a new agent's form begins with. */
export const FRESH: AgentConfig = {
  name: '',
  description: null,
  execution_identity: { type: 'service_account' },
  mcp_servers: [],
  metadata: {},
  model: { id: MODELS[0], speed: 'standard' },
  multiagent: null,
  skills: [],
  system: null,
  tools: withToolSettings([], {
    bash: 'auto',
    read: 'allow',
    write: 'allow',
    edit: 'allow',
    glob: 'allow',
    grep: 'allow',
  }),
};

/** The fields of an agent as it is. */
export function agentFields(
  config: AgentConfig,
  environments: readonly EnvironmentDocument[],
  channels: AgentChannels,
): FormField[] {
  const { environment_id, budget_cents, guests } = agentSettingsOf(config);
  const models: string[] = [...new Set([config.model.id, ...MODELS])];
  const instructions = config.system ?? '';
  const fields: Array<FormField | null> = [
    {
      kind: 'text',
      name: 'name',
      label: 'Name',
      value: config.name,
      max_length: Math.max(NAME, config.name.length),
      multiline: false,
      optional: false,
    },
    choice(
      'model',
      'Model',
      config.model.id,
      models.map((id) => ({ value: id, label: id })),
    ),
    // Longer ones would be cut by a form: they stay as they are.
    instructions.length > FORM_TEXT
      ? null
      : {
          kind: 'text',
          name: 'instructions',
          label: 'Instructions',
          hint: 'What it is for, what it knows, how it answers.',
          value: instructions,
          max_length: FORM_TEXT,
          multiline: true,
          optional: true,
        },
    ...TOOLS.map((tool, index) => ({
      ...choice(
        tool,
        `Tool: ${tool}`,
        toolSetting(config.tools, tool),
        Object.entries(TOOL_SETTINGS).map(([value, { label }]) => ({ value, label })),
      ),
      ...(index === 0 && { section: 'Tools' }),
    })),
    {
      ...choice('environment', 'Environment', environment_id ?? 'default', [
        { value: 'default', label: 'The default one' },
        ...environments.map(({ _id, name }) => ({ value: _id, label: name })),
      ]),
      section: 'Where it works',
    },
    {
      kind: 'channels',
      name: DRAWN_FIELD,
      label: 'Channels',
      hint: `Where you have it answer when nobody else is named.${besides(channels.others)}`,
      value: channels.own.join(','),
      optional: true,
    },
    {
      kind: 'text',
      name: 'budget',
      label: 'Budget of a session, in US dollars',
      hint: 'Empty for none.',
      value: budget_cents === null ? '' : (budget_cents / 100).toFixed(2),
      max_length: 12,
      multiline: false,
      optional: true,
    },
    choice(
      'guests',
      'Guests speak to it',
      guests,
      GUEST_SETTINGS.map((value) => ({ value, label: GUEST_WORDS[value] })),
    ),
    ...approvalFields(config),
  ];
  return fields.filter((field) => field !== null);
}

function besides(others: number): string {
  if (others === 0) return '';
  const where = others === 1 ? 'one more' : `${others} more`;
  return ` Others have chosen it for ${where}: that is changed there, with /agents use.`;
}

function choice(name: string, label: string, value: string, options: { value: string; label: string }[]): FormField {
  return { kind: 'choice', name, label, value, options, optional: false };
}

/** Of longer ones the form says what stands there. */
const MOST_CHOICES = 10;

/** The same for who has no form before them: what to send, with what stands there now. */
export function formAsText(command: string, fields: readonly FormField[]): string {
  const lines = fields
    .filter(({ kind }) => kind !== 'channels')
    .map((field) => `${field.name}: ${field.value}`.trimEnd());
  const choices = fields.flatMap((field) =>
    field.kind === 'choice' && field.options.length <= MOST_CHOICES
      ? [`${field.name}: ${field.options.map(({ value }) => value).join(', ')}`]
      : [],
  );
  const shown = [...new Set(choices.map((line) => line.replace(/^\w+: (off, allow, auto, ask)$/, 'a tool: $1')))];
  return (
    'Send this with what you want to be different; a line that you leave out stays as it is. People are written as ' +
    `\`slack:U123\` or \`web:ana\`, groups as \`slack:group:S123\`, channels as \`slack:channel:C123\`, with commas between.\n\n\`\`\`\n${command}\n${lines.join('\n')}\n\`\`\`\n\n` +
    shown.map((line) => `- ${line}`).join('\n')
  );
}
