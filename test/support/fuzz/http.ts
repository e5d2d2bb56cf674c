import { type IncomingMessage, request } from 'node:http';

export interface WireRequest {
  method: string;
  /** With its query, already encoded. */
  path: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

export interface WireAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
  /** What the body says as JSON; undefined when it is none. */
  json: unknown;
}

/** A request that is not answered by then hangs. */
const HANGS_MS = 20_000;

/** One request on a connection of its own. An event stream is let go once it stands. */
export function send(url: string, { method, path, headers, body }: WireRequest): Promise<WireAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      const done = () => {
        clearTimeout(hanging);
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: jsonOf(text) });
      };
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', done);
      if (response.headers['content-type']?.startsWith('text/event-stream') === true) {
        done();
        outgoing.destroy();
      }
    });
    const hanging = setTimeout(() => {
      outgoing.destroy();
      reject(new Error(`${method} ${path} was not answered within ${HANGS_MS} ms`));
    }, HANGS_MS);
    outgoing.on('error', (error) => {
      clearTimeout(hanging);
      reject(error);
    });
    outgoing.end(body);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** As a URL carries it; half a surrogate pair has no form there and becomes U+FFFD. */
export function encoded(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\uFFFD'));
}

/** `{session}` and its like replaced by this run's ids. */
export function filled(text: string, ids: Record<string, string>): string {
  return text.replace(/\{([a-z_]+)\}/g, (whole, name: string) => ids[name] ?? whole);
}
