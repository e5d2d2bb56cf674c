import { DeckhandError } from '../../src/errors.ts';

/** @throws DeckhandError with the variable and where its value is found, when it is not set */
export function needed(value: string | null, variable: string, mode: string): string {
  if (value !== null) return value;
  throw new DeckhandError('slack_configuration', `Slack in ${mode} mode needs ${variable}.`, {
    remedy: `Set ${variable}; docs/slack.md says where to find it.`,
  });
}
