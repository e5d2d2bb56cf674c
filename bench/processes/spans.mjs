/** What a measured process waited for, and when: on the clock that all processes of a machine share. Plain JavaScript, as the probe. */
import { subscribe } from 'node:diagnostics_channel';

/**
 * In ms of the machine's monotonic clock.
 * @typedef {{ name: string, from: number, to: number }} Span
 */

/** Null while nobody looks. @type {Span[] | null} */
let spans = null;

const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Forget what there was, and look from now on. */
export function startSpans() {
  spans = [];
}

/** What has ended since then, in the order of its ends. */
export function readSpans() {
  const read = spans ?? [];
  spans = null;
  return read;
}

/**
 * Something begins; the result says that it has ended.
 * @param {string} name
 * @returns {() => void}
 */
export function begin(name) {
  if (spans === null) return () => undefined;
  const into = spans;
  const from = now();
  return () => void into.push({ name, from, to: now() });
}

/** @type {WeakMap<object, () => void>} */
const open = new WeakMap();

/**
 * Between a message of one channel and that of another about the same request. Documented in nodejs.org/api/diagnostics_channel.html
 * and undici's docs/api/DiagnosticsChannel.md.
 * @param {string} from
 * @param {string} to
 * @param {(request: any) => string} nameOf
 */
function between(from, to, nameOf) {
  subscribe(from, (/** @type {any} */ { request }) => void open.set(request, begin(nameOf(request))));
  subscribe(to, (/** @type {any} */ { request }) => open.get(request)?.());
}

between('http.server.request.start', 'http.server.response.finish', ({ method }) => `answers a ${method}`);
between('undici:request:create', 'undici:request:trailers', () => 'asks the model');
