import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { type Directive, readAnswer, writeDirective } from '../model/directive.ts';
import { frameReader } from './frames.ts';

/** One turn as its client saw it. */
export interface Turn {
  /** When the message was sent, in ms of the machine's monotonic clock. */
  started: number;
  /** From sending the message to hearing that the session is idle. */
  total_ms: number;
  /** From sending the message to the arrival of the model request that was answered. */
  to_model_ms: number;
}

/** A session with an open event stream. */
export interface OpenSession {
  readonly id: string;
  /** Send a message and wait for the end of its turn. @throws when the answer is not the right one */
  turn(directive: Directive, may_retry?: boolean): Promise<Turn>;
  close(): void;
}

/** A client of `/v1` that costs less than the SDK, so that less of the machine goes to the load. */
export interface V1Client {
  post<T>(path: string, body: object): Promise<T>;
  /** A new session of this agent, with its stream open. */
  open(agent: string, environment_id: string): Promise<OpenSession>;
  /** The stream of a session that is there already. */
  attach(session_id: string): Promise<OpenSession>;
  close(): void;
}

/** A turn that takes longer has failed. */
const TURN_MS = 60_000;
const WANTED = new Set(['agent.message', 'agent.tool_result', 'session.status_idle', 'session.error']);

export function createV1Client(url: string, key: string): V1Client {
  const requests = new Agent({ keepAlive: true });
  const streams = new Agent();
  const headers = { 'x-api-key': key };

  async function post<T>(path: string, body: object): Promise<T> {
    const text = JSON.stringify(body);
    const response = await send(path, text);
    const answer = await textOf(response);
    if (response.statusCode !== 200) throw new Error(`POST ${path} answered ${response.statusCode}: ${answer}`);
    return JSON.parse(answer) as T;
  }

  async function send(path: string, text: string): Promise<IncomingMessage> {
    const sent = request(`${url}${path}`, {
      method: 'POST',
      agent: requests,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
    });
    sent.end(text);
    try {
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      return response;
    } catch (error) {
      // The server closed the idle connection while the request was on its way (nodejs.org/api/http.html#requestreusedsocket).
      if (sent.reusedSocket && error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
        return send(path, text);
      }
      throw error;
    }
  }

  async function attach(id: string): Promise<OpenSession> {
    let running: RunningTurn | null = null;
    const sent = request(`${url}/v1/sessions/${id}/events/stream`, { agent: streams, headers });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`A stream answered ${response.statusCode}`);
    response.setEncoding('utf8').on(
      'data',
      frameReader(WANTED, (name, data) => running?.hear(name, data)),
    );
    response.on('close', () => running?.fail('The event stream ended in the middle of a turn'));
    response.on('error', () => undefined);
    return {
      id,
      async turn(directive, may_retry = false) {
        const turn = startTurn(directive, may_retry);
        running = turn;
        try {
          post(`/v1/sessions/${id}/events`, messageOf(directive)).catch((error: unknown) => turn.fail(String(error)));
          return await turn.ended;
        } finally {
          running = null;
        }
      },
      close: () => void sent.destroy(),
    };
  }

  return {
    post,
    attach,
    async open(agent, environment_id) {
      const { id } = await post<{ id: string }>('/v1/sessions', { agent, environment_id });
      return attach(id);
    },
    close() {
      requests.destroy();
      streams.destroy();
    },
  };
}

/** The body that sends this directive as a message. */
export function messageOf(directive: Directive): object {
  return { events: [{ type: 'user.message', content: [{ type: 'text', text: writeDirective(directive) }] }] };
}

export interface RunningTurn {
  ended: Promise<Turn>;
  hear(name: string, data: Record<string, unknown>): void;
  fail(reason: string): void;
}

/** Follows one turn to its end and checks it: as many good tool results as asked for, one answer, and that to this message. */
export function startTurn({ nonce, calls = 0 }: Directive, may_retry: boolean): RunningTurn {
  const started = process.hrtime.bigint();
  const texts: string[] = [];
  let results = 0;
  let settle: { resolve(turn: Turn): void; reject(error: Error): void } | null = null;
  const ended = new Promise<Turn>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const timer = setTimeout(() => fail(`no end after ${TURN_MS} ms`), TURN_MS);

  function fail(reason: string): void {
    clearTimeout(timer);
    settle?.reject(new Error(`Turn failed: ${reason}`));
  }

  function end(stop_reason: unknown): void {
    const total_ms = msBetween(started, process.hrtime.bigint());
    clearTimeout(timer);
    const answer = readAnswer(texts.join(''));
    if (typeOf(stop_reason) !== 'end_turn') fail(`it ended with ${typeOf(stop_reason)}`);
    else if (texts.length !== 1 || answer?.nonce !== nonce) fail(`wrong answer: ${JSON.stringify(texts)}`);
    else if (results !== calls) fail(`${results} good tool results instead of ${calls}`);
    else settle?.resolve({ started: Number(started) / 1e6, total_ms, to_model_ms: msBetween(started, answer.arrived) });
  }

  return {
    ended,
    fail,
    hear(name, data) {
      if (name === 'agent.message') texts.push(textIn(data['content']));
      else if (name === 'agent.tool_result') {
        if (data['is_error'] === true) fail(`a tool failed: ${textIn(data['content'])}`);
        else if (textIn(data['content']).includes(nonce)) results += 1;
      } else if (name === 'session.error') {
        if (!may_retry) fail(`session.error: ${JSON.stringify(data['error'])}`);
      } else end(data['stop_reason']);
    },
  };
}

function typeOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'type' in value ? String(value.type) : 'nothing';
}

function textIn(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return content.map((block: { text?: unknown }) => (typeof block.text === 'string' ? block.text : '')).join('');
}

export function msBetween(from: bigint, to: bigint): number {
  return Number(to - from) / 1e6;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  return text;
}
