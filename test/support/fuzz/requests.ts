import fc from 'fast-check';
import { encoded, filled, type WireRequest } from './http.ts';
import { type Mutant, mutants } from './mutate.ts';
import { ID_PLACEHOLDERS, oddText } from './odd-values.ts';
import type { ValidRequest } from './routes.ts';
import { SECRETS } from './secrets.ts';

/** A valid request with something wrong about it. Ids are placeholders until it is sent. */
export interface FuzzedRequest {
  method: string;
  /** Express' own, as in `/sessions/:id`. */
  route: string;
  /** What its parameters are, in their order. */
  path: string[];
  query: Array<[name: string, value: string]>;
  headers: Record<string, string>;
  body: Mutant | null;
}

const ODD_QUERY_NAMES = ['limit', 'page', '__proto__', 'constructor', 'a[$gt]', 'types[]', 'x[y][z]', 'toString', ''];

/** Each is a header or two that a client may send without meaning harm, or meaning it. */
export const ODD_HEADERS: ReadonlyArray<Record<string, string>> = [
  { 'anthropic-version': '1999-01-01' },
  { 'anthropic-version': '\u00ff\u00fe' },
  { 'anthropic-beta': `${'x,'.repeat(500)}managed-agents-2026-04-01` },
  { 'anthropic-workspace-id': 'wrkspc_default' },
  { 'anthropic-workspace-id': 'wrkspc_other' },
  { 'x-api-key': '' },
  { 'x-api-key': '__proto__' },
  { 'x-api-key': 'x'.repeat(4000) },
  { 'x-api-key': '', authorization: `Bearer ${SECRETS.api_key}` },
  { authorization: 'Bearer {"$ne":null}' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=utf-16' },
  { 'content-type': 'application/json; charset=x-unknown' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-type': '' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'deflate' },
  { 'content-encoding': 'br' },
  { 'content-encoding': 'gzip, gzip' },
  { 'content-encoding': '__proto__' },
  { accept: 'application/xml' },
  { 'accept-encoding': 'identity;q=0' },
  { 'if-none-match': '*' },
  { 'if-match': '"x"' },
  { range: 'bytes=9-1' },
  { expect: 'the-unexpected' },
  { 'transfer-encoding': 'chunked' },
  { 'x-http-method-override': 'DELETE' },
  { 'x-forwarded-for': "'; drop table", 'x-forwarded-host': '\u00e9', 'x-forwarded-proto': 'https' },
  { host: 'evil.example' },
  { origin: 'https://evil.example' },
  { cookie: 'deckhand_session=x; deckhand_session=y; =; __proto__=z' },
  { connection: 'upgrade', upgrade: 'websocket' },
];

const oddId = fc.oneof(
  fc.constantFrom<string>(...ID_PLACEHOLDERS),
  oddText,
  fc.constantFrom('..', '.', '{session}/events', '{session}/../{foreign_session}', 'agent_', '{session}\u0000', '*'),
);

function queries(valid: Record<string, string>): fc.Arbitrary<FuzzedRequest['query']> {
  const own = Object.keys(valid);
  const name = own.length === 0 ? fc.constantFrom(...ODD_QUERY_NAMES) : fc.constantFrom(...own, ...ODD_QUERY_NAMES);
  // A large page or version is text of digits, too.
  const value = fc.oneof(
    oddText,
    fc.constantFrom('1', '100', '101', '1e2', '-0', 'true', 'asc', 'v1', 'YXNjOjk5OTk5OTk5OTk5'),
  );
  const extra = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 3 });
  const kept = fc.subarray(Object.entries(valid));
  return fc.tuple(kept, extra).map(([entries, more]) => [...entries, ...more]);
}

/** The request as it is. */
export function asItIs(key: string, { path = [], query = {}, body }: ValidRequest): FuzzedRequest {
  const [method = '', route = ''] = key.split(' ');
  const whole = body === undefined ? null : { json: JSON.stringify(body), changes: [] };
  return { method, route, path, query: Object.entries(query), headers: {}, body: whole };
}

/** Requests of one route: a mutated body, id, query or header, one of them at a time or several. */
export function fuzzedRequests(key: string, valid: readonly ValidRequest[]): fc.Arbitrary<FuzzedRequest> {
  return fc.constantFrom(...valid).chain((request) => {
    const { path = [], query = {}, body } = request;
    const odd = fc.tuple(fc.nat({ max: Math.max(0, path.length - 1) }), oddId);
    const aspects: fc.Arbitrary<Partial<FuzzedRequest>>[] = [
      fc.record({ query: queries(query) }),
      fc.record({ headers: fc.constantFrom(...ODD_HEADERS) }),
      ...(path.length === 0 ? [] : [odd.map(([at, id]) => ({ path: path.toSpliced(at, 1, id) }))]),
    ];
    const anyAspect = fc.oneof(...aspects);
    const changes =
      body === undefined
        ? fc.array(anyAspect, { minLength: 1, maxLength: 2 })
        : fc
            .tuple(fc.record({ body: mutants(body) }), fc.array(anyAspect, { maxLength: 1, size: '-1' }))
            .map(([mutated, others]) => [mutated, ...others]);
    return changes.map((all) => Object.assign({}, asItIs(key, request), ...all) as FuzzedRequest);
  });
}

/** As it goes over the wire below `prefix`, with a run's ids. */
export function wireOf(
  fuzzed: FuzzedRequest,
  ids: Record<string, string>,
  { prefix, headers: usual }: { prefix: string; headers: Record<string, string> },
): WireRequest {
  const { method, route, path: parameters, query, headers, body } = fuzzed;
  const rest = parameters.values();
  const path = route.replace(/:\w+/g, (name) => {
    const { value, done } = rest.next();
    if (done === true) throw new TypeError(`Nothing fills ${name} of ${method} ${route}`);
    return encoded(filled(value, ids));
  });
  const search = query.map(([name, value]) => `${encoded(name)}=${encoded(filled(value, ids))}`).join('&');
  return {
    method,
    path: `${prefix}${path}${search === '' ? '' : `?${search}`}`.slice(0, 8000),
    headers: { 'content-type': 'application/json', ...usual, ...headers },
    ...(body === null ? {} : { body: filled(body.json, ids) }),
  };
}
