import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { send } from '../support/fuzz/http.ts';
import { oddText } from '../support/fuzz/odd-values.ts';
import { SECRETS } from '../support/fuzz/secrets.ts';
import { type FuzzWorker, startFuzzWorker } from '../support/fuzz/turns.ts';
import { expectAllOrNothing } from '../support/fuzz/v1-answers.ts';
import { makeResources, startWorld, type World } from '../support/fuzz/world.ts';

/** `POST /v1/files`: a form with something wrong about its parts, its boundary or its bytes. */

let world: World;
let worker: FuzzWorker;
let ids: Record<string, string>;

beforeAll(async () => {
  world = await startWorld();
  worker = await startFuzzWorker(world);
  ids = await makeResources(world.context, DEFAULT_WORKSPACE, 'ours');
  // From the first file that goes, the record of the workspace's room has a place for those that do.
  await world.client.beta.files.delete(ids['upload'] ?? '');
  await world.stores.keepAll();
});

afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const BOUNDARY = 'frontier-7';

interface FormPart {
  name: string;
  filename: string | null;
  mime_type: string;
  content: string;
}

const part: fc.Arbitrary<FormPart> = fc.record({
  name: fc.oneof(
    { weight: 12, arbitrary: fc.constant('file') },
    { weight: 1, arbitrary: fc.constantFrom('', 'file[]', 'purpose', '__proto__', 'file"; name="x') },
    { weight: 1, arbitrary: oddText },
  ),
  filename: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('a.txt', 'C:\\b\\a.txt', '../../a.txt', 'a%22%0D%0Ab') },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 4, arbitrary: oddText },
  ),
  mime_type: fc.oneof(fc.constantFrom('text/plain', '', 'text/html; charset=utf-16', 'no type'), oddText),
  content: fc.oneof(
    oddText,
    fc.constantFrom(
      `\r\n--${BOUNDARY}`,
      `\r\n--${BOUNDARY}x`,
      `--${BOUNDARY}--`,
      '\r\n'.repeat(9000),
      '-'.repeat(70_000),
    ),
  ),
});

const parts = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(part) },
  { weight: 1, arbitrary: fc.array(part, { maxLength: 3 }) },
  { weight: 1, arbitrary: part.map((one) => Array.from({ length: 25 }, () => ({ ...one, name: 'file' }))) },
);

const contentType = fc.oneof(
  { weight: 12, arbitrary: fc.constant(`multipart/form-data; boundary=${BOUNDARY}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      `Multipart/Form-Data; charset=x; BOUNDARY="${BOUNDARY}"`,
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/form-data; boundary=another',
      `multipart/form-data; boundary=${BOUNDARY.repeat(9)}`,
      `multipart/mixed; boundary=${BOUNDARY}`,
      'application/json',
    ),
  },
);

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  drop: fc.nat({ max: 12 }),
  put: fc.constantFrom('', '\r\n', '\n', '--', '"', ';', '\0', '\xff', '\r\n\r\n', `--${BOUNDARY}`, 'x'.repeat(20_000)),
});

const form = fc.record({
  parts,
  contentType,
  edits: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(edit, { maxLength: 2 }) },
  ),
});

/** Nothing of it can be taken for the form around it. */
function isPlain({ name, filename, mime_type, content }: FormPart): boolean {
  return !/[\r\n"]/.test(`${name}${filename}${mime_type}`) && !content.includes(BOUNDARY);
}

function printed(all: FormPart[]): Buffer {
  const texts = all.map(({ name, filename, mime_type, content }) => {
    const file = filename === null ? '' : `; filename="${filename}"`;
    const type = mime_type === '' ? '' : `content-type: ${mime_type}\r\n`;
    return `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"${file}\r\n${type}\r\n${content}\r\n`;
  });
  return Buffer.from(`${texts.join('')}--${BOUNDARY}--\r\n`);
}

function edited(bytes: Buffer, edits: ReadonlyArray<{ at: number; drop: number; put: string }>): Buffer {
  let text = bytes.toString('latin1');
  for (const { at, drop, put } of edits) {
    const from = Math.floor(at * text.length);
    text = text.slice(0, from) + put + text.slice(from + drop);
  }
  return Buffer.from(text, 'latin1');
}

it(
  'whatever a form holds, its file is kept whole and can be had again, or nothing is',
  async () => {
    const headers = { 'x-api-key': SECRETS.api_key };
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(form, async ({ parts: all, contentType: type, edits }) => {
        const body = edited(printed(all), edits);
        const upload = { method: 'POST', path: '/v1/files', headers: { ...headers, 'content-type': type }, body };
        const answer = await expectAllOrNothing({ world, worker, ids }, upload);
        if (answer.status < 300) {
          kept += 1;
          const { id, size_bytes } = answer.json as { id: string; size_bytes: number };
          const content = await send(world.url, { method: 'GET', path: `/v1/files/${id}/content`, headers });
          expect([content.status, content.headers['content-length']], content.text).toEqual([200, String(size_bytes)]);
          const [only] = all.length === 1 && edits.length === 0 && all.every(isPlain) ? all : [];
          if (only !== undefined) expect(content.text).toBe(Buffer.from(only.content).toString());
        }
        await world.stores.forgetNew();
      }),
      cases(60),
    );
    // Most forms have so little wrong about them that they are one.
    expect(kept).toBeGreaterThan(0);
  },
  CASES_TIMEOUT_MS,
);
