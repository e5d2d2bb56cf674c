/** Slack's `{ok: false, error}` with whatever else the answer carries. */
export class SlackApiError extends Error {
  readonly extra: Record<string, unknown>;

  constructor(error: string, extra: Record<string, unknown> = {}) {
    super(error);
    this.name = 'SlackApiError';
    this.extra = extra;
  }
}
