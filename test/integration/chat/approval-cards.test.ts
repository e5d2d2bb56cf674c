import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalCard } from '../../../src/chat/connector.ts';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { ApprovalPolicy } from '../../../src/session/event.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { asks } from '../../support/chat-events.ts';
import { type ChatStage, chatStage, place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let stage: ChatStage;
let platform: Platform;
let running: Deliverer[];
let ref: SessionRef;
let clicks = 0;

beforeEach(async () => {
  database = await testDatabase();
  stage = await chatStage(database.db);
  platform = createPlatform();
  platform.names.set('U_BEN', 'Ben');
  platform.groups.set('S1', { name: 'oncall', people: ['U_CARA'] });
  running = [];
  ref = await stage.session();
});

afterEach(async () => {
  await Promise.all(running.map((deliverer) => deliverer.stop()));
  await database[Symbol.asyncDispose]();
});

/** The turn asks, its worker records it, and a gateway shows it. Returns the approval's id. */
async function asked(policy: Partial<ApprovalPolicy>): Promise<string> {
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  await stage.append(ref, ...asks(approval_id, tool_use_id, policy));
  await stage.approvals.record(ref, await stage.log.read(ref));
  running.push(stage.deliverer(platform));
  stage.wake(ref);
  await eventually(() => expect(card().approval_id).toBe(approval_id));
  return approval_id;
}

/** As it stands now. */
function card(): ApprovalCard {
  const [shown] = platform.messages.map((message) => message.versions.at(-1)).filter((one) => one?.kind === 'approval');
  if (shown?.kind !== 'approval') throw new Error('No card is shown');
  return shown.card;
}

function click(approval_id: string, name: string, over: { for_session?: boolean; decision?: 'deny' } = {}) {
  clicks += 1;
  const person = { id: `U_${name.toUpperCase()}`, name };
  const decision = {
    event_id: `c${clicks}`,
    conversation: place,
    person,
    approval_id,
    decision: 'allow' as const,
    ...over,
  };
  return stage.receiver({ connectors: new Map([['test', platform.connector()]]) }).decision(decision);
}

describe('a card', () => {
  it('names people and groups, and gives the platform whom to mention', async () => {
    await asked({ approvers: ['test:U_BEN', 'test:group:S1', 'web:dora'], quorum: 2, for_session: 'tool' });
    expect(card()).toMatchObject({
      approvers: 'Ben, @oncall, dora',
      mentions: [
        { kind: 'person', id: 'U_BEN' },
        { kind: 'group', id: 'S1' },
      ],
      quorum: 2,
      for_session: 'tool',
    });
  });

  it('shows who has approved so far, and at last all who did', async () => {
    const id = await asked({ quorum: 2 });
    expect(await click(id, 'Ana')).toEqual({
      effect: 'accepted',
      text: 'Your approval counts. 1 of 2 so far: 1 more person has to approve.',
    });
    const ana = { id: 'U_ANA', name: 'Ana' };
    await eventually(() => expect(card().state).toEqual({ status: 'pending', reminded: 0, approved_by: [ana] }));
    expect((await click(id, 'Ana')).effect).toBe('refused');
    await click(id, 'Ben');
    await eventually(() =>
      expect(card().state).toMatchObject({ status: 'allowed', approved_by: [ana, { id: 'U_BEN', name: 'Ben' }] }),
    );
  });

  it('keeps that it holds for the session', async () => {
    const id = await asked({ for_session: 'arguments' });
    const receipt = await click(id, 'Ben', { for_session: true });
    expect(receipt.text).toBe(
      'Approved. Further calls with the same arguments run without asking for the rest of this session.',
    );
    await eventually(() => expect(card().state).toMatchObject({ status: 'allowed', for_session: 'arguments' }));
  });
});

describe('a click of somebody in a group', () => {
  it('counts when the platform says that they are in it', async () => {
    const id = await asked({ approvers: ['test:group:S1'] });
    expect(await click(id, 'Cara')).toEqual({ effect: 'accepted', text: 'Approved.' });
  });

  it.each([
    ['they are not', () => undefined],
    ['the platform does not know the group', () => platform.groups.clear()],
  ])('does not count when %s, and names who may', async (_when, change) => {
    const id = await asked({ approvers: ['test:group:S1', 'test:U_BEN'] });
    change();
    const name = platform.groups.size === 0 ? 'S1' : 'oncall';
    expect(await click(id, 'Eve')).toEqual({
      effect: 'refused',
      text: `You may not decide this. Who may: @${name}, Ben.`,
    });
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
  });
});
