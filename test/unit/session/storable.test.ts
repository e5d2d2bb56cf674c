import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { findUnstorable } from '../../../src/session/storable.ts';
import { cases } from '../../support/cases.ts';

const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });

describe('what can be stored', () => {
  it.each([null, 1, 'x', '😀', [], {}, { $set: { 'a.b': [1] } }, { constructor: 1, toString: 2 }, nested(48), 'a\0b'])(
    'is let through: %j',
    (value) => {
      expect(findUnstorable(value)).toBeNull();
    },
  );

  it.each<[unknown, string]>([
    ['a\ud800', ''],
    [{ a: ['x', '\udc00y'] }, 'a.1'],
    [{ a: { 'b\0': 1 } }, 'a.b?'],
    [{ 'b\ud800': 1 }, 'b?'],
    [JSON.parse('{"a":{"__proto__":1}}'), 'a.__proto__'],
    [{ a: [{ _bsontype: 'Long' }] }, 'a.0._bsontype'],
    [{ a: { toBSON: 1 } }, 'a.toBSON'],
  ])('is named when it cannot: %j', (value, path) => {
    expect(findUnstorable(value)?.path).toBe(path);
  });

  it('may be nested only so deep, and asking about the deepest costs no stack', () => {
    expect(findUnstorable(nested(60))?.problem).toContain('48 levels');
    let deep: unknown[] = [];
    for (let i = 0; i < 200_000; i++) deep = [deep];
    expect(findUnstorable(deep)?.problem).toContain('48 levels');
  });

  it('comes back from MongoDB’s format as it was', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const value: unknown = JSON.parse(json);
        fc.pre(findUnstorable(value) === null);
        const kept: unknown = BSON.deserialize(BSON.serialize({ value }))['value'];
        // BSON has one zero and its own integers; JSON is what both sides are.
        expect(JSON.parse(JSON.stringify(kept))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      cases(),
    );
  });
});
