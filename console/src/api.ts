import type {
  AgentChoice,
  ConversationDetail,
  ConversationSummary,
  DetailsBody,
  ErrorBody,
  Page,
  Person,
  PostedMessage,
  ReceiptBody,
  SessionInfo,
  WebMessage,
} from '../../connectors/web/wire.ts';

/** What went wrong, in words for the person at the page. */
export class ApiError extends Error {
  /** `offline` when no answer came; else the server's own code, e.g. `signed_out`. */
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
  }

  /** The same request may succeed later. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }
}

/** What a person may say to a question. */
export type Choice = 'allow' | 'allow_for_session' | 'deny';

/** What the page asks of the server. Every call throws ApiError. */
export const api = {
  session: () => call<SessionInfo>('GET', '/web/session'),
  signIn: (name: string, key: string) =>
    call<{ person: Person }>('POST', '/web/session', { name, ...(key && { key }) }),
  signOut: () => call<void>('DELETE', '/web/session'),
  agents: () => call<{ data: AgentChoice[] }>('GET', '/web/agents'),

  conversations: (search: string, before?: string) =>
    call<Page<ConversationSummary>>('GET', `/web/conversations?${query({ search, before })}`),
  createConversation: (client_id: string, agent: string | null) =>
    call<ConversationSummary>('POST', '/web/conversations', { client_id, ...(agent !== null && { agent }) }),
  conversation: (id: string) => call<ConversationDetail>('GET', `/web/conversations/${encodeURIComponent(id)}`),
  earlier: (id: string, before: number) =>
    call<{ messages: WebMessage[]; earlier: boolean }>('GET', `/web/conversations/${id}/messages?before=${before}`),

  say: (id: string, client_id: string, text: string) =>
    call<PostedMessage>('POST', `/web/conversations/${id}/messages`, { client_id, text }),
  decide: (id: string, approval_id: string, choice: Choice, reason: string) =>
    call<ReceiptBody>('POST', `/web/conversations/${id}/decisions`, {
      client_id: createClientId(),
      approval_id,
      decision: choice === 'deny' ? 'deny' : 'allow',
      ...(choice === 'allow_for_session' && { for_session: true }),
      ...(reason && { reason }),
    }),
  details: (id: string, approval_id: string) =>
    call<DetailsBody>('GET', `/web/conversations/${id}/approvals/${encodeURIComponent(approval_id)}`),
  stop: (id: string) => call<ReceiptBody>('POST', `/web/conversations/${id}/stop`, { client_id: createClientId() }),
};

/** Names one thing a person did, so that sending it again does not do it again. */
export function createClientId(): string {
  // Not randomUUID: a page served without TLS to another computer has no such function.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Milliseconds without an answer after which a request counts as failed. */
const TIMEOUT_MS = 30_000;

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    answer = response.status === 204 ? undefined : await response.json();
  } catch (cause) {
    throw new ApiError('offline', 0, 'Deckhand cannot be reached. Check that it is running.', { cause });
  }
  if (response.ok) return answer as T;
  const { error } = answer as ErrorBody;
  throw new ApiError(error.code, response.status, error.message);
}

function query(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => Boolean(pair[1]));
  return new URLSearchParams(given).toString();
}
