import {
  type Answer,
  type ModelRequest,
  type ScriptedReply,
  serveMessagesApi,
} from '../../src/embedded/messages-api.ts';
import { deferred } from './deferred.ts';

type Scripted = Answer | ((request: ModelRequest) => Answer | Promise<Answer>);

/** A held answer: the test says when it goes on. */
export interface Hold {
  /** Resolves when the model has received the request. */
  asked: Promise<ModelRequest>;
  release(): void;
}

/** Claude's words, scripted by a test, behind a real server that the real SDK talks to. */
export interface TestModel extends AsyncDisposable {
  base_url: string;
  /** Every request, in order of arrival. */
  requests: ModelRequest[];
  /** The next answers, in order. */
  reply(...answers: Scripted[]): void;
  /** The next answer is a failure. */
  fail(status: number, options?: { type?: string; message?: string; retry_after?: number }): void;
  /** The next answer stops after some words until released. */
  replyHeld(reply: ScriptedReply, after_words?: number): Hold;
  /** What is said when nothing is scripted; by default a failure that names the omission. */
  otherwise(answer: Scripted): void;
  /** Drop what was scripted and asked, so that one test's leftovers are not another's. */
  forget(): void;
}

export async function startTestModel(): Promise<TestModel> {
  const requests: ModelRequest[] = [];
  const script: Scripted[] = [];
  let fallback: Scripted = { error: { status: 400, message: 'The test scripted no answer for this request.' } };

  const api = await serveMessagesApi(async (request) => {
    requests.push(request);
    const next = script.shift() ?? fallback;
    return typeof next === 'function' ? next(request) : next;
  });

  return {
    base_url: api.base_url,
    requests,
    reply: (...answers) => void script.push(...answers),
    fail(status, { type, message, retry_after } = {}) {
      script.push({
        error: {
          status,
          ...(type === undefined ? {} : { type }),
          ...(message === undefined ? {} : { message }),
          ...(retry_after === undefined ? {} : { headers: { 'retry-after': String(retry_after) } }),
        },
      });
    },
    replyHeld(reply, after_words = 1) {
      const released = deferred<void>();
      const asked = deferred<ModelRequest>();
      script.push((request) => {
        asked.resolve(request);
        return { ...reply, hold: { after_words, released: released.promise } };
      });
      return { asked: asked.promise, release: released.resolve };
    },
    otherwise(answer) {
      fallback = answer;
    },
    forget() {
      script.length = 0;
      requests.length = 0;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
