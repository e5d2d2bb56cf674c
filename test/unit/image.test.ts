import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageTypeOf, MAX_IMAGE_BYTES, problemOfImage } from '../../src/image.ts';
import { cases } from '../support/cases.ts';
import { gif, jpeg, png, webp } from '../support/images.ts';

const kinds: Array<[string, (width: number, height: number) => Buffer]> = [
  ['image/png', (width, height) => png(width, height)],
  ['image/gif', gif],
  ['image/jpeg', (width, height) => jpeg(width, height)],
  ['image/jpeg', (width, height) => jpeg(width, height, 60_000)],
  ['image/webp', (width, height) => webp('VP8 ', width, height)],
  ['image/webp', (width, height) => webp('VP8L', width, height)],
  ['image/webp', (width, height) => webp('VP8X', width, height)],
];

function problemOf(bytes: Buffer): string | null {
  const type = imageTypeOf(bytes);
  if (type === null) throw new Error('It is no image');
  return problemOfImage(bytes, type);
}

describe.each(kinds)('an image of type %s', (type, make) => {
  it('is known by its bytes, and shown up to 8,000 pixels either way', () => {
    expect(imageTypeOf(make(10, 20))).toBe(type);
    expect(problemOf(make(8_000, 8_000))).toBeNull();
    expect(problemOf(make(8_001, 20))).toContain('8001 by 20 pixels');
    expect(problemOf(make(20, 8_001))).toContain('20 by 8001 pixels');
  });

  it('that is cut off is never taken for one that can be shown', () => {
    for (let size = 0; size < 10; size++) {
      const cut = make(10, 20).subarray(0, size);
      const known = imageTypeOf(cut);
      if (known !== null) expect(problemOfImage(cut, known)).toBe('an image that is not whole');
    }
  });
});

it('is too heavy from 5 MB of base64 on', () => {
  expect(problemOf(png(10, 10, MAX_IMAGE_BYTES))).toBeNull();
  expect(problemOf(png(10, 10, MAX_IMAGE_BYTES + 1))).toContain('bytes; at most');
});

it('takes whatever bytes there are', () => {
  const heads = kinds.map(([, make]) => make(1, 1).subarray(0, 16));
  fc.assert(
    fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 200 }), (head, rest) => {
      const bytes = Buffer.concat([head, rest]);
      const type = imageTypeOf(bytes);
      if (type !== null) problemOfImage(bytes, type);
    }),
    cases(),
  );
});
