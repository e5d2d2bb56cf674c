import { expect, it } from 'vitest';
import { createAudiences } from '../../src/chat/audience.ts';
import type { Actor, LogEntry } from '../../src/session/event.ts';
import { DECKHAND } from '../../src/session/log.ts';

const ANA = { via: 'slack', id: 'U1', name: 'Ana' };
const BEN = { via: 'slack', id: 'U2', name: 'Ben' };
const conversation = { connector: 'slack', tenant: 'T1', channel: 'C1', thread: '1.1' };
const ref = { workspace_id: 'wrkspc_1', session_id: 'sesn_1' };

function said(by: Actor): LogEntry {
  const event = { id: 'sevt_1', type: 'user.message' as const, content: [], processed_at: null };
  return { seq: 1, created_at: new Date(0), event, by };
}

/** @param people newest last */
function audiences(people: Actor[]) {
  let looks = 0;
  const log = {
    async query() {
      looks += 1;
      return people.map(said).reverse();
    },
  };
  return { ...createAudiences({ log, ref, conversation }), looks: () => looks };
}

it.each([
  ['one person', [ANA, ANA], { to: 'U1', several: false }],
  ['the last of several', [ANA, BEN], { to: 'U2', several: true }],
  ['one of several, where others spoke before', [DECKHAND, ANA], { to: 'U1', several: true }],
  ['who speaks there, and not elsewhere', [ANA, { ...BEN, via: 'web' }], { to: 'U1', several: false }],
  ['nobody, where nobody spoke', [{ ...BEN, via: 'api' }], undefined],
])('an answer is for %s', async (_who, people, audience) => {
  expect(await audiences(people).now()).toEqual(audience);
});

it('is looked up again when somebody has spoken', async () => {
  const people = [ANA];
  const { now, take, looks } = audiences(people);
  await now();
  people.push(BEN);
  expect(await now()).toEqual({ to: 'U1', several: false });
  take(said(BEN));
  expect(await now()).toEqual({ to: 'U2', several: true });
  expect(looks()).toBe(2);
});
