/**
 * Loaded into a measured gateway or worker with `--import`: looks from inside when the benchmark asks, and costs next to
 * nothing until then. Plain JavaScript, so that the measured process needs no compiler.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serve } from './serve.mjs';
import { begin, readSpans, startSpans } from './spans.mjs';

const require = createRequire(import.meta.url);
/** Resolution of the delay's histogram, in ms: its timer fires this often. */
const DELAY_RESOLUTION_MS = 10;

const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });

/** Commands by name since counting began; null while nobody counts. @type {Record<string, number> | null} */
let counts = null;
/** @type {Set<Socket>} */
const sockets = new Set();

/** @param {string} name */
function count(name) {
  if (counts !== null) counts[name] = (counts[name] ?? 0) + 1;
}

/**
 * Call `before` ahead of a method. What it returns is called when the method's promise has settled.
 * @param {any} prototype
 * @param {string} method
 * @param {(self: any, args: any[]) => (() => void) | void} before
 */
function intercept(prototype, method, before) {
  const original = prototype[method];
  prototype[method] = function (/** @type {any[]} */ ...args) {
    const after = before(this, args);
    const result = original.apply(this, args);
    if (after !== undefined) Promise.resolve(result).then(after, after);
    return result;
  };
}

intercept(require('mongodb/lib/cmap/connection').Connection.prototype, 'command', (_self, [, command]) => {
  const [verb = ''] = Object.keys(command);
  const collection = typeof command[verb] === 'string' ? ` ${command[verb]}` : '';
  const name = `mongodb ${verb}${collection}`;
  count(name);
  return begin(name);
});
intercept(require('ioredis').Redis.prototype, 'sendCommand', (_self, [command]) => {
  const name = `redis ${command.name}`;
  count(name);
  return begin(name);
});
intercept(Socket.prototype, 'connect', (socket, args) => {
  if (!isService(args[0])) return;
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

/**
 * Whether these arguments of `connect` lead to MongoDB or Redis: by Unix socket, or by the port that their URI names.
 * @param {any} args
 */
function isService(args) {
  const [options] = Array.isArray(args) ? args : [args];
  if (typeof options?.path === 'string') return true;
  return servicePorts.has(String(options?.port));
}

const servicePorts = new Set(
  [process.env['MONGODB_URI'], process.env['REDIS_URL']].map((uri) => /:(\d+)(?:[/?]|$)/.exec(uri ?? '')?.[1]),
);

/** Bytes over the connections to MongoDB and Redis that this process has opened and not closed. */
function bytes() {
  const sum = { read: 0, written: 0 };
  for (const socket of sockets) {
    sum.read += socket.bytesRead;
    sum.written += socket.bytesWritten;
  }
  return sum;
}

/** @type {Session | null} */
let profiler = null;
/** @type {Session | null} */
let sampler = null;

const ms = (/** @type {number} */ ns) => ns / 1e6;

const handlers = {
  /** Forget the delays so far. */
  async startDelay() {
    delay.enable();
    delay.reset();
  },
  /** Event-loop delay since then, in ms, beyond the timer's own period. */
  async readDelay() {
    const beyond = (/** @type {number} */ ns) => Math.max(0, ms(ns) - DELAY_RESOLUTION_MS);
    return { p50: beyond(delay.percentile(50)), p99: beyond(delay.percentile(99)), max: beyond(delay.max) };
  },
  /** Bytes of the heap that are in use after a collection. Needs --expose-gc. */
  async heapAfterGc() {
    if (globalThis.gc === undefined) throw new Error('This process was started without --expose-gc');
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  },
  async startCounting() {
    counts = {};
  },
  async readCounts() {
    const read = counts ?? {};
    counts = null;
    return read;
  },
  readBytes: async () => bytes(),
  startSpans: async () => startSpans(),
  readSpans: async () => readSpans(),
  /** Sample what is allocated, collected or not, about every 8 KiB. */
  async startAllocations() {
    sampler = new Session();
    sampler.connect();
    await sampler.post('HeapProfiler.startSampling', {
      samplingInterval: 8 * 1024,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
  },
  async readAllocations() {
    if (sampler === null) throw new Error('Nobody looks at what is allocated');
    const { profile } = await sampler.post('HeapProfiler.stopSampling');
    sampler.disconnect();
    sampler = null;
    return profile.head;
  },
  async startProfile() {
    profiler = new Session();
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.start');
  },
  /** @param {string} path */
  async writeProfile(path) {
    if (profiler === null) throw new Error('No profile was started');
    const { profile } = await profiler.post('Profiler.stop');
    profiler.disconnect();
    profiler = null;
    writeFileSync(path, JSON.stringify(profile));
  },
};
/** @typedef {typeof handlers} ProbeHandlers */

serve(handlers);
