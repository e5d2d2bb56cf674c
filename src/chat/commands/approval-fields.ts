import type { AgentConfig } from '../../resources/agent-config.ts';
import { approvalPolicyOf, MOST_QUORUM, ownersOf } from '../../resources/approval-policy.ts';
import type { FormField } from '../inbound.ts';
import type { Fields } from './command.ts';

const YES_OR_NO = ['no', 'yes'] as const;

/** What each choice means; the first stands for what no metadata says. */
const CHOICES = {
  quorum: Object.fromEntries(Array.from({ length: MOST_QUORUM }, (_, n) => [`${n + 1}`, `${n + 1}`])),
  four_eyes: { no: 'May approve it too', yes: 'Never approves it (four eyes)' },
  approve_for_session: { no: 'Not offered', tool: 'For all calls of the tool', arguments: 'For the same call only' },
  private_detail: { no: 'Shown in the conversation', yes: 'Shown only to those who may decide' },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

const LABELS = {
  approvers: 'Approvers',
  quorum: 'How many have to approve',
  four_eyes: 'Who asked for the work',
  approve_for_session: 'Approve for this session',
  remind_after: 'Remind after',
  escalate_to: 'When nobody decides, ask besides',
  escalate_after: 'Ask each of them after',
  expire_after: 'Deny after',
  private_detail: 'Commands, and why it wants them',
} as const;

type ApprovalField = keyof typeof LABELS;

/** Each stands in the agent's metadata under its own name, with `deckhand_` before it. */
export const APPROVAL_FIELDS = Object.keys(LABELS) as ApprovalField[];

/** Longest time that anybody writes: `30 minutes`. */
const TIME = 20;

/** Who decides what an agent asks, and what happens when nobody does. */
export function approvalFields(config: AgentConfig): FormField[] {
  const { metadata } = config;
  const owners = ownersOf(config);
  const { approvers, escalate_to = [] } = approvalPolicyOf(config);
  const choice = (name: keyof typeof CHOICES): FormField => {
    const words = CHOICES[name];
    const stored = metadata[`deckhand_${name}`] ?? '';
    const value = stored === 'true' ? 'yes' : stored in words ? stored : (Object.keys(words)[0] ?? '');
    const options = Object.entries(words).map(([one, label]) => ({ value: one, label }));
    return { kind: 'choice', name, label: LABELS[name], value, options, optional: false };
  };
  const time = (name: ApprovalField, hint: string): FormField => {
    const value = metadata[`deckhand_${name}`] ?? '';
    return { kind: 'text', name, label: LABELS[name], hint, value, max_length: TIME, multiline: false, optional: true };
  };
  return [
    {
      kind: 'targets',
      channels: false,
      section: 'Approvals',
      name: 'approvers',
      label: LABELS.approvers,
      hint: 'They decide what it asks, beside its owners. With neither, members in the conversation do.',
      value: approvers.filter((id) => !owners.includes(id)).join(','),
      optional: true,
    },
    choice('quorum'),
    choice('four_eyes'),
    choice('approve_for_session'),
    time(
      'remind_after',
      'Such as 30m, 4h or 2d, and again each time so much later (after ten times once a day). Empty for never.',
    ),
    {
      kind: 'targets',
      channels: true,
      name: 'escalate_to',
      label: LABELS.escalate_to,
      hint: 'One after another. What is new comes behind what stands here: people, then groups, then channels.',
      value: escalate_to.join(','),
      optional: true,
    },
    time('escalate_after', 'Such as 1h: the first after an hour, the second after two.'),
    time('expire_after', 'Such as 8h. Empty: it waits until somebody decides.'),
    choice('private_detail'),
  ];
}

/** The metadata that these fields mean, null for what need not be said; `errors` learns what is wrong. */
export function approvalMetadata(fields: Fields, errors: Record<string, string>): Record<string, string | null> {
  const metadata: Record<string, string | null> = {};
  for (const name of APPROVAL_FIELDS) {
    const said = fields[name]?.trim();
    if (said === undefined) continue;
    metadata[`deckhand_${name}`] =
      name in CHOICES ? chosen(name as keyof typeof CHOICES, said, errors) : written(name, said);
  }
  return metadata;
}

function chosen(name: keyof typeof CHOICES, said: string, errors: Record<string, string>): string | null {
  const words = Object.keys(CHOICES[name]);
  const word = said.toLowerCase();
  if (word === '' || word === words[0]) return null;
  if (!words.includes(word)) errors[name] = `Pick one of ${words.join(', ')}.`;
  return words.join() === YES_OR_NO.join() ? 'true' : word;
}

const UNITS = [
  [/\s*(?:minutes?|mins?)$/i, 'm'],
  [/\s*(?:hours?|hrs?)$/i, 'h'],
  [/\s*days?$/i, 'd'],
] as const;

function written(name: ApprovalField, said: string): string | null {
  if (said === '') return null;
  if (name === 'approvers' || name === 'escalate_to')
    return said
      .split(/[\s,]+/)
      .filter((one) => one !== '')
      .join(',');
  return UNITS.reduce((text, [unit, letter]) => text.replace(unit, letter), said);
}

/** Words of the agent's own rules as a form says them: with the labels of fields for the names of settings. */
export function inFormWords(message: string): string {
  return message.replaceAll(/deckhand_([a-z_]+)/g, (_all, name: string) =>
    name in LABELS ? `"${LABELS[name as ApprovalField]}"` : name,
  );
}

/** All whom an agent names: owners, approvers, who is asked besides. */
export function namedBy(config: AgentConfig): string[] {
  const { approvers, escalate_to = [] } = approvalPolicyOf(config);
  return [...approvers, ...escalate_to];
}

/** The same in a few lines, for who looks at an agent. */
export function approvalLines(config: AgentConfig, named: (ids: readonly string[]) => string): string[] {
  const { quorum = 1, four_eyes, for_session, private_detail, escalate_to } = approvalPolicyOf(config);
  const time = (name: string) => config.metadata[`deckhand_${name}`];
  const rules = [
    quorum === 1 ? null : `${quorum} have to approve`,
    four_eyes ? 'never who asked' : null,
    for_session === undefined
      ? null
      : `may count for the session (${CHOICES.approve_for_session[for_session].toLowerCase()})`,
    private_detail === true ? 'commands are private' : null,
  ].filter((rule) => rule !== null);
  const times = [
    time('remind_after') === undefined ? null : `reminded every ${time('remind_after')}`,
    escalate_to === undefined ? null : `each after ${time('escalate_after')}: ${named(escalate_to)}`,
    time('expire_after') === undefined ? null : `denied after ${time('expire_after')}`,
  ].filter((rule) => rule !== null);
  return [
    ...(rules.length === 0 ? [] : [`- Approvals: ${rules.join(', ')}`]),
    ...(times.length === 0 ? [] : [`- When nobody decides: ${times.join('; ')}`]),
  ];
}
