import { type CommandReply, refuse } from './command.ts';

/** A form that cannot be taken: each field's problem beside it, and all of them in words for who has no form. */
export function fieldProblems(errors: Record<string, string>): CommandReply {
  const lines = Object.entries(errors).map(([field, problem]) => `- ${field}: ${problem}`);
  return refuse(`Nothing was changed.\n${lines.join('\n')}`, errors);
}
