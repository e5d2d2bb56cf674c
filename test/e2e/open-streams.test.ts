import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type HouseProcess } from '../support/house.ts';

const MEBIBYTE = 1_048_576;
const PATIENCE_MS = 120_000;
/** Open at once in one gateway. */
const STREAMS = 1_000;
/** Of these so many read nothing, while the session that they follow is flooded. */
const SLOW = 20;
const QUIET_SESSIONS = 10;
/** Of nearly the largest size, 8 MiB with all that belongs to an event. */
const FLOOD = 40;
const TEXT = 'x'.repeat(8 * MEBIBYTE - 1_000);
/** What reading such events leaves behind until it is collected is about 140 MiB; whoever kept the flood would keep 320 more. */
const MOST_BYTES = 250 * MEBIBYTE;

interface Stream {
  /** Messages that have come. */
  count: number;
  socket: Socket;
}

/** A client of a session's stream that reads, or reads nothing behind the first bytes. */
async function follow(gateway: HouseProcess, api_key: string, id: string, reads: boolean): Promise<Stream> {
  const { port, hostname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const stream: Stream = { count: 0, socket };
  await once(socket, 'connect');
  socket.write(
    `GET /v1/sessions/${id}/events/stream HTTP/1.1\r\nHost: ${hostname}\r\nx-api-key: ${api_key}\r\nanthropic-beta: managed-agents-2026-04-01\r\n\r\n`,
  );
  const [head] = await once(socket, 'data');
  expect(String(head)).toMatch(/^HTTP\/1\.1 200/);
  socket.on('error', () => undefined);
  if (!reads) socket.pause();
  else {
    socket.on('data', (part: Buffer) => {
      for (let at = part.indexOf('event: user.message'); at !== -1; at = part.indexOf('event: user.message', at + 1)) {
        stream.count += 1;
      }
    });
  }
  return stream;
}

function residentBytes({ pid }: HouseProcess): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1_024;
}

test(`${STREAMS} open streams, slow readers among them, take bounded memory under events of the largest size`, {
  timeout: 300_000,
}, async () => {
  await using house = await buildHouse();
  // One takes what is sent, which costs memory too, and the other shows it.
  const [taking, gateway] = await Promise.all([house.start('gateway'), house.start('gateway')]);
  const { beta } = new Anthropic({ baseURL: taking.url, apiKey: house.api_key, maxRetries: 0 });
  const [agent] = (await beta.agents.list()).data;
  const [environment] = (await beta.environments.list()).data;
  const begin = async () =>
    (await beta.sessions.create({ agent: agent?.id ?? '', environment_id: environment?.id ?? '' })).id;
  const send = (id: string, text: string) =>
    beta.sessions.events.send(id, { events: [{ type: 'user.message', content: [{ type: 'text', text }] }] });
  const flooded = await begin();
  const quiet = await Promise.all(Array.from({ length: QUIET_SESSIONS }, begin));

  const sockets: Socket[] = [];
  const open = async (id: string, reads: boolean): Promise<Stream> => {
    const stream = await follow(gateway, house.api_key, id, reads);
    sockets.push(stream.socket);
    return stream;
  };
  try {
    const quick = await open(flooded, true);
    for (let n = 0; n < SLOW; n++) await open(flooded, false);
    const others = await Promise.all(
      Array.from({ length: STREAMS - SLOW - 1 }, (_, n) => open(quiet[n % quiet.length] ?? '', true)),
    );

    const before = residentBytes(gateway);
    let most = before;
    for (let n = 1; n <= FLOOD; n++) {
      await send(flooded, TEXT);
      await eventually(() => expect(quick.count).toBe(n), PATIENCE_MS);
      most = Math.max(most, residentBytes(gateway));
    }
    expect(most - before).toBeLessThan(MOST_BYTES);

    // Nobody else has noticed.
    await Promise.all(quiet.map((id) => send(id, 'hello')));
    await eventually(() => expect(others.filter(({ count }) => count !== 1)).toEqual([]), PATIENCE_MS);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
