/** Slack's `{ok: false, error}` with whatever else the answer carries. */
export class SlackApiError extends Error {
  readonly extra: Record<string, unknown>;

  constructor(error: string, extra: Record<string, unknown> = {}) {
    super(error);
    this.name = 'SlackApiError';
    this.extra = extra;
  }
}

/** The bot is not in it: what is not public is not there at all then (chat.postMessage, Errors). */
export function absentFrom({ kind }: { kind: string }): SlackApiError {
  return new SlackApiError(kind === 'channel' ? 'not_in_channel' : 'channel_not_found');
}
