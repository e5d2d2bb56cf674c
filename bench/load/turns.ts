import type { Directive } from '../model/directive.ts';
import { createV1Client, messageOf, type OpenSession, type V1Client } from './v1-client.ts';

export interface Target {
  url: string;
  key: string;
}

export interface TurnsRequest extends Target {
  /** Turns at once; each in a session of its own at a time. */
  concurrency: number;
  turns: number;
  /** Of each turn in the order they begin, from the first again when there are more turns; the nonce is added. */
  directives?: Array<Omit<Directive, 'nonce'>>;
  /** Turns that one session has before the next is taken; default 1. */
  per_session?: number;
  /** Sessions that are there already, instead of new ones. */
  sessions?: string[];
  /** Of the only turn; without it each gets one of its own. */
  nonce?: string;
  /** A failed request that is tried again is no error: a worker is killed on purpose. */
  may_retry?: boolean;
}

export interface TurnsResult {
  /** Of each turn that succeeded, as the next two: when its message was sent, in ms of the machine's monotonic clock. */
  started: number[];
  total_ms: number[];
  to_model_ms: number[];
  /** From the first message to the last end. */
  elapsed_ms: number;
  errors: string[];
}

let nonces = 0;
export function nextNonce(): string {
  nonces += 1;
  return `n${process.pid}x${nonces}`;
}

/** An agent whose bash runs at once, and an environment, made once per gateway. */
async function makeAgent(target: Target): Promise<{ agent: string; environment: string }> {
  const client = createV1Client(target.url, target.key);
  try {
    const environment = await client.post<{ id: string }>('/v1/environments', { name: `bench ${nextNonce()}` });
    const agent = await client.post<{ id: string }>('/v1/agents', {
      name: 'bench',
      model: 'claude-sonnet-5-5',
      system: 'You answer the benchmark.',
      tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_allow' } } }],
    });
    return { agent: agent.id, environment: environment.id };
  } finally {
    client.close();
  }
}

/** Turns that wait for their start: the sessions are made and their streams open. */
export interface PreparedTurns {
  run(): Promise<TurnsResult>;
}

export async function prepareTurns(request: TurnsRequest): Promise<PreparedTurns> {
  const client = createV1Client(request.url, request.key);
  const perSession = request.per_session ?? 1;
  const sessions = await openSessions(client, request, Math.ceil(request.turns / perSession));

  return {
    async run() {
      const result: TurnsResult = { started: [], total_ms: [], to_model_ms: [], elapsed_ms: 0, errors: [] };
      const waiting = sessions.map((session) => ({ session, left: perSession }));
      let left = request.turns;

      async function loop(): Promise<void> {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          for (; next.left > 0 && left > 0; next.left -= 1) {
            const directive = request.directives?.[(request.turns - left) % request.directives.length];
            left -= 1;
            await take(next.session, directive);
          }
        }
      }

      async function take(session: OpenSession, directive: Omit<Directive, 'nonce'> | undefined): Promise<void> {
        try {
          const nonce = request.nonce ?? nextNonce();
          const turn = await session.turn({ ...directive, nonce }, request.may_retry === true);
          result.started.push(turn.started);
          result.total_ms.push(turn.total_ms);
          result.to_model_ms.push(turn.to_model_ms);
        } catch (error) {
          result.errors.push(error instanceof Error ? error.message : String(error));
        }
      }

      const started = performance.now();
      await Promise.all(Array.from({ length: request.concurrency }, loop));
      result.elapsed_ms = performance.now() - started;
      for (const session of sessions) session.close();
      client.close();
      return result;
    },
  };
}

/** So many are opened at once. */
const OPENERS = 16;

async function openSessions(client: V1Client, request: TurnsRequest, count: number): Promise<OpenSession[]> {
  const given = request.sessions;
  const made = given === undefined ? await makeAgent(request) : null;
  const sessions: OpenSession[] = [];
  let begun = 0;
  await Promise.all(
    Array.from({ length: OPENERS }, async () => {
      while (begun < count) {
        const index = begun++;
        const known = given?.[index % given.length];
        sessions.push(
          made === null ? await client.attach(known ?? '') : await client.open(made.agent, made.environment),
        );
      }
    }),
  );
  return sessions;
}

/** Make so many sessions and send each one message, without waiting for the answers. */
export async function sendAll(
  request: Target & { sessions: number; directive: Omit<Directive, 'nonce'> },
): Promise<void> {
  const { agent, environment } = await makeAgent(request);
  const client = createV1Client(request.url, request.key);
  let begun = 0;
  await Promise.all(
    Array.from({ length: OPENERS }, async () => {
      while (begun < request.sessions) {
        begun += 1;
        const { id } = await client.post<{ id: string }>('/v1/sessions', { agent, environment_id: environment });
        await client.post(`/v1/sessions/${id}/events`, messageOf({ ...request.directive, nonce: nextNonce() }));
      }
    }),
  );
  client.close();
}
