import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Anthropic from '@anthropic-ai/sdk';
import { expect, it } from 'vitest';
import { peakResidentMb } from '../../bench/processes/usage.ts';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { startSlackServer } from '../support/slack/server.ts';

const MB = 1024 * 1024;
/**
 * The largest file that the house takes here. One of Slack's own limit, of eight times that, takes eight times as long: each
 * byte is written to a disk four times on its way there and back.
 */
const LARGEST_MB = 128;
const SIZE = LARGEST_MB * MB;
/** What a process may hold more than before, in MB: a few pieces of a file, an eighth of it. */
const MORE_HELD_MB = LARGEST_MB / 8;
/** And what it may have resident more, together with what nobody holds any more and V8 has not given back. */
const MORE_RESIDENT_MB = (LARGEST_MB * 3) / 4;
const PATIENCE_MS = 120_000;
const PROBE = fileURLToPath(new URL('../fixtures/memory-probe.cjs', import.meta.url));

/** So many bytes of which no two pieces are alike, made as they are taken. */
function* made(size: number): Generator<Uint8Array> {
  const piece = Buffer.alloc(64 * 1024, 'deckhand');
  for (let at = 0; at < size; at += piece.length) {
    piece.writeBigUInt64LE(BigInt(at));
    // A copy: who takes it may not have sent it yet when the next one is made.
    yield Buffer.from(piece.subarray(0, Math.min(piece.length, size - at)));
  }
}

function sha256Of(pieces: Iterable<Uint8Array>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** A process of the house and what it has held at most, by its own looks. */
interface Watched {
  process: HouseProcess;
  memory(): { looks: number; held_mb: number; resident_mb: number };
}

async function watched(house: House, role: 'gateway' | 'worker'): Promise<Watched> {
  const path = join(house.data_dir, `${role}-memory.json`);
  const process = await house.start(role, { NODE_OPTIONS: `--require ${PROBE}`, MEMORY_PROBE: path });
  return {
    process,
    memory() {
      const { looks, most_bytes } = JSON.parse(readFileSync(path, 'utf8'));
      return { looks, held_mb: most_bytes / MB, resident_mb: peakResidentMb(process.pid) };
    },
  };
}

it('the largest file goes from Slack into the sandbox, and one as large from there to Slack, and nobody holds either', async () => {
  await using model = await startTestModel();
  await using slack = await startSlackServer();
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_BOT_TOKEN: slack.tokens.bot,
    SLACK_APP_TOKEN: slack.tokens.app,
    SLACK_API_URL: slack.apiUrl,
    DECKHAND_MAX_FILE_MB: String(LARGEST_MB),
  });
  const [gateway, worker] = await Promise.all([watched(house, 'gateway'), watched(house, 'worker')]);
  const { agents } = new Anthropic({ baseURL: gateway.process.url, apiKey: house.api_key }).beta;
  const [agent] = (await agents.list()).data;
  const default_config = { permission_policy: { type: 'always_allow' as const } };
  const tools = [{ type: 'agent_toolset_20260401' as const, default_config }];
  await agents.update(agent?.id ?? '', { version: agent?.version ?? 0, tools });
  const ana = slack.user('Ana');
  const copy = (name: string) => {
    const command = `cd /mnt/session && sha256sum < uploads/${name} && cp uploads/${name} outputs/${name}`;
    model.reply({ tool_uses: [{ name: 'bash', input: { command } }] }, { text: `Copied ${name}.` });
  };
  const shared = () => [...slack.workspace.uploads.values()].filter(({ is_shared }) => is_shared);

  // What a process needs for its first files, of whatever size, it has from then on.
  copy('small.txt');
  const root = ana.mention('ops', 'copy this', [{ name: 'small.txt' }]);
  await eventually(() => expect(shared()).toHaveLength(1), PATIENCE_MS);
  const look = () => [gateway.memory(), worker.memory()];
  await eventually(() => expect(look().every(({ looks }) => looks > 2)).toBe(true), PATIENCE_MS);
  const before = look();

  copy('large.bin');
  const large = { size: SIZE, pieces: () => made(SIZE) };
  ana.reply(root, 'and this', { mention: true, files: [{ name: 'large.bin', made: large }] });
  await eventually(() => expect(shared()).toHaveLength(2), PATIENCE_MS);
  const after = look();

  const sha256 = sha256Of(made(SIZE));
  expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain(sha256);
  expect(shared()[1]).toMatchObject({ name: 'large.bin', length: SIZE, sha256 });
  expect(slack.transcript(root)).toContain('Copied large.bin.');
  for (const [n, { looks, held_mb, resident_mb }] of after.entries()) {
    expect(looks).toBeGreaterThan((before[n]?.looks ?? 0) + 2);
    expect(held_mb - (before[n]?.held_mb ?? 0)).toBeLessThan(MORE_HELD_MB);
    expect(resident_mb - (before[n]?.resident_mb ?? 0)).toBeLessThan(MORE_RESIDENT_MB);
  }
}, 300_000);
