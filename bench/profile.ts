import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Server } from './stage.ts';

/** The parts of V8's .cpuprofile that are read here. Times in microseconds. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  samples: number[];
  timeDeltas: number[];
}

/** Own time of one place, in ms. */
export interface Share {
  place: string;
  ms: number;
}

/** Where the CPU was, most expensive first: by package, by file of ours, and by function. Idle time is left out. */
export function ownTime(profile: CpuProfile): { busy_ms: number; packages: Share[]; functions: Share[] } {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const packages = new Map<string, number>();
  const functions = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    const ms = (profile.timeDeltas[index] ?? 0) / 1000;
    if (frame === undefined || frame.functionName === '(idle)') continue;
    busy += ms;
    const place = placeOf(frame);
    packages.set(place, (packages.get(place) ?? 0) + ms);
    const name = `${frame.functionName === '' ? '(anonymous)' : frame.functionName} ${shortUrl(frame.url)}`.trim();
    functions.set(name, (functions.get(name) ?? 0) + ms);
  }
  return { busy_ms: busy, packages: sorted(packages), functions: sorted(functions) };
}

/** What a place has allocated, itself and by what it called: V8's sampling heap profile. Sizes in bytes. */
export interface Allocations {
  callFrame: { functionName: string; url: string };
  selfSize: number;
  children: Allocations[];
}

/** Bytes by package or file of ours, most first, and all together. */
export function allocatedBy(head: Allocations): { bytes: number; places: { place: string; bytes: number }[] } {
  const places = new Map<string, number>();
  const left = [head];
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    const place = placeOf(node.callFrame);
    places.set(place, (places.get(place) ?? 0) + node.selfSize);
    left.push(...node.children);
  }
  const sizes = [...places].map(([place, bytes]) => ({ place, bytes })).sort((a, b) => b.bytes - a.bytes);
  return { bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0), places: sizes };
}

/** A package's name, our own file, or what V8 itself was doing. */
function placeOf({ url, functionName }: { url: string; functionName: string }): string {
  const inPackage = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (inPackage !== undefined) return inPackage;
  const ours = /dist\/((?:src|connectors|sandbox)\/.*)$/.exec(url)?.[1];
  if (ours !== undefined) return ours;
  if (url.startsWith('node:')) return 'node';
  return url === '' ? (functionName.startsWith('(') ? functionName : '(native)') : shortUrl(url);
}

function shortUrl(url: string): string {
  return url.replace(/^file:\/\//, '').replace(/^.*\/(node_modules|dist)\//, '');
}

function sorted(times: Map<string, number>): Share[] {
  return [...times].map(([place, ms]) => ({ place, ms })).sort((a, b) => b.ms - a.ms);
}

/** A profile on disk, summed up for a person. */
export function summarise(title: string, path: string, top = 20): string {
  const { busy_ms, packages, functions } = ownTime(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile);
  const lines = (shares: Share[]) =>
    shares
      .slice(0, top)
      .map(
        ({ place, ms }) =>
          `  ${ms.toFixed(0).padStart(7)} ms  ${((100 * ms) / busy_ms).toFixed(1).padStart(5)} %  ${place}`,
      );
  return [
    `${title}: ${busy_ms.toFixed(0)} ms busy; own time by package or file (${path})`,
    ...lines(packages),
    ' by function',
    ...lines(functions),
  ].join('\n');
}

/** Profile these servers meanwhile, when that is wanted. */
export async function profiled<T>(
  servers: Server[],
  dir: string | null,
  work: () => Promise<T>,
): Promise<{ result: T; notes: string[] }> {
  if (dir === null) return { result: await work(), notes: [] };
  mkdirSync(dir, { recursive: true });
  await Promise.all(servers.map((server) => server.call('startProfile')));
  const result = await work();
  const notes: string[] = [];
  for (const server of servers) {
    const path = join(dir, `${server.role}.cpuprofile`);
    await server.call('writeProfile', path);
    notes.push(summarise(server.role, path));
  }
  return { result, notes };
}
