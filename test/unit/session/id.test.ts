import { describe, expect, it } from 'vitest';
import { derivedId, newId } from '../../../src/session/id.ts';

describe('an id', () => {
  it('has its prefix and 26 digits that can be read aloud', () => {
    expect(newId('sesn')).toMatch(/^sesn_[0-9abcdefghjkmnpqrstvwxyz]{26}$/);
  });

  it('sorts by the time it was made, far into the future', () => {
    const times = [0, 1, 31, 32, 1023, 1024, Date.UTC(2026, 10, 20), Date.UTC(2026, 10, 20) + 1, Date.UTC(9999, 0)];
    const ids = times.map((time) => newId('sevt', time));
    expect(ids.toSorted()).toEqual(ids);
  });

  it('is made once', () => {
    const ids = Array.from({ length: 5000 }, () => newId('agent', 1));
    expect(new Set(ids).size).toBe(5000);
  });

  it('of a thing that exists once per other thing is always the same', () => {
    const source = newId('sevt');
    expect(derivedId('dlv', source)).toBe(source.replace('sevt_', 'dlv_'));
    expect(derivedId('appr', source)).toBe(derivedId('appr', source));
    expect(derivedId('agent', 'wrkspc_default')).toBe('agent_default');
  });
});
