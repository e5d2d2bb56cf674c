import { agentFields, FRESH } from './agent-form.ts';
import { type CommandReply, refuse } from './command.ts';

/** What forms call their fields. */
const LABELS = new Map([
  ['owners', 'Owners'],
  ...agentFields(FRESH, [], { own: [], others: 0 }).map(({ name, label }) => [name, label] as const),
]);

/** A form that cannot be taken: each field's problem beside it, and all of them in words for who has no form. */
export function fieldProblems(errors: Record<string, string>): CommandReply {
  const lines = Object.entries(errors).map(([field, problem]) => `- ${labelled(field)}: ${problem}`);
  return refuse(`Nothing was changed.\n${lines.join('\n')}`, errors);
}

/** As the form calls it, and as it is typed where that does not say it. */
function labelled(field: string): string {
  const label = LABELS.get(field) ?? `${field.charAt(0).toUpperCase()}${field.slice(1)}`;
  return label.toLowerCase().includes(field) ? label : `${label} (\`${field}\`)`;
}
