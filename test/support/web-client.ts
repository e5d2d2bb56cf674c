import type {
  ConversationDetail,
  ConversationSummary,
  PostedMessage,
  ReceiptBody,
  StreamEvents,
} from '../../connectors/web/wire.ts';
import { eventually } from './eventually.ts';

export type Heard = {
  [E in keyof StreamEvents]: { event: E; id: string | null; data: StreamEvents[E] };
}[keyof StreamEvents];

export interface EventReader extends AsyncDisposable {
  readonly heard: Heard[];
  /** Resolves with the first event of this kind that satisfies the test, heard already or still to come. */
  next<E extends keyof StreamEvents>(event: E, test?: (data: StreamEvents[E]) => boolean): Promise<StreamEvents[E]>;
  readonly isClosed: boolean;
  /** When it is closed, by whomever. */
  readonly closed: Promise<void>;
}

/** A person's browser without the page: signs in, keeps the cookie, names its origin. */
export interface WebClient {
  request(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Response>;
  /** The body of a request that must succeed. */
  call<T>(method: string, path: string, body?: object): Promise<T>;
  signIn(name: string, key?: string): Promise<void>;
  begin(agent?: string): Promise<ConversationSummary>;
  say(conversation: string, text: string, clientId?: string): Promise<PostedMessage>;
  decide(conversation: string, approval: string, decision: 'allow' | 'deny', reason?: string): Promise<ReceiptBody>;
  open(conversation: string): Promise<ConversationDetail>;
  events(conversation: string, after: number, headers?: Record<string, string>): Promise<EventReader>;
}

let count = 0;
/** A client id nobody else uses. */
export function nextClientId(): string {
  count += 1;
  return `client-${process.pid}-${count}`;
}

export function createWebClient(url: string): WebClient {
  let cookie = '';

  async function request(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(cookie !== '' && { cookie }),
        ...(method !== 'GET' && { origin: url, 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const set = response.headers.get('set-cookie');
    if (set !== null) cookie = set.split(';')[0] ?? '';
    return response;
  }

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await request(method, path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }

  return {
    request,
    call,
    async signIn(name, key) {
      await call('POST', '/web/session', { name, ...(key !== undefined && { key }) });
    },
    begin: (agent) => call('POST', '/web/conversations', { client_id: nextClientId(), ...(agent && { agent }) }),
    say: (conversation, text, client_id = nextClientId()) =>
      call('POST', `/web/conversations/${conversation}/messages`, { client_id, text }),
    decide: (conversation, approval_id, decision, reason) =>
      call('POST', `/web/conversations/${conversation}/decisions`, {
        client_id: nextClientId(),
        approval_id,
        decision,
        ...(reason !== undefined && { reason }),
      }),
    open: (conversation) => call('GET', `/web/conversations/${conversation}`),
    async events(conversation, after, headers = {}) {
      const stop = new AbortController();
      const response = await fetch(`${url}/web/events?conversation=${conversation}&after=${after}`, {
        headers: { cookie, ...headers },
        signal: stop.signal,
      });
      if (!response.ok || response.body === null) throw new Error(`The stream answered ${response.status}`);
      return readEvents(response.body, () => stop.abort());
    },
  };
}

function readEvents(body: ReadableStream<Uint8Array>, stop: () => void): EventReader {
  const heard: Heard[] = [];
  let isClosed = false;

  async function read(): Promise<void> {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      const frames = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const fields = new Map(frame.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
        const data = fields.get('data');
        if (data === undefined) continue;
        heard.push({ event: fields.get('event'), id: fields.get('id') ?? null, data: JSON.parse(data) } as Heard);
      }
    }
  }

  const reading = read()
    .catch(() => undefined)
    .finally(() => {
      isClosed = true;
    });

  return {
    heard,
    get isClosed() {
      return isClosed;
    },
    closed: reading,
    next(event, test = () => true) {
      return eventually(() => {
        for (const each of heard) {
          if (each.event === event && test(each.data as StreamEvents[typeof event])) {
            return each.data as StreamEvents[typeof event];
          }
        }
        throw new Error(`No such ${event} event. Heard: ${heard.map((each) => each.event).join(', ')}`);
      });
    },
    async [Symbol.asyncDispose]() {
      stop();
      await reading;
    },
  };
}
