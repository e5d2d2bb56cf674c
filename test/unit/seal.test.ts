import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSeal } from '../../src/seal.ts';

const [KEY, OLD_KEY] = [randomBytes(32), randomBytes(32)];

describe('a seal', () => {
  it('opens what it sealed, and shows nothing of it', () => {
    const seal = createSeal([KEY]);
    const sealed = seal.seal('xoxb-secret', 'T1');
    expect(seal.open(sealed, 'T1')).toBe('xoxb-secret');
    expect(JSON.stringify(sealed)).not.toContain('secret');
    expect(seal.seal('xoxb-secret', 'T1').data).not.toBe(sealed.data);
  });

  it.each([
    ['for something else', {}, 'T2'],
    ['with other data', { data: Buffer.from('something').toString('base64') }, 'T1'],
    ['with another tag', { tag: Buffer.alloc(16).toString('base64') }, 'T1'],
    ['with a tag that was cut short', { tag: Buffer.alloc(4).toString('base64') }, 'T1'],
    ['with nothing in it', { data: '', iv: '', tag: '' }, 'T1'],
  ])('does not open it %s', (_how, spoilt, bound_to) => {
    const seal = createSeal([KEY]);
    expect(() => seal.open({ ...seal.seal('xoxb-secret', 'T1'), ...spoilt }, bound_to)).toThrow('was changed');
  });

  it('opens with earlier keys what they sealed, and seals with the first', () => {
    const before = createSeal([OLD_KEY]).seal('xoxb-secret', 'T1');
    const seal = createSeal([KEY, OLD_KEY]);
    expect(seal.open(before, 'T1')).toBe('xoxb-secret');
    expect(seal.seal('xoxb-secret', 'T1').key_id).not.toBe(before.key_id);
    expect(() => createSeal([KEY]).open(before, 'T1')).toThrow(`key ${before.key_id}, which is not configured`);
  });
});
