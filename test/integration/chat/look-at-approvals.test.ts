import { beforeEach, describe, expect, it } from 'vitest';
import type { ConversationKey } from '../../../src/chat/place.ts';
import type { Actor, ApprovalPolicy } from '../../../src/session/event.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import { REMOVAL } from '../../support/cards.ts';
import { asks } from '../../support/chat-events.ts';
import { place } from '../../support/chat-stage.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const ana: Actor = { via: 'test', id: 'U_ANA', name: 'Ana' };
const eve: Actor = { via: 'test', id: 'U_EVE', name: 'Eve' };
const elsewhere = { ...place, channel: 'C_OTHER', thread: '1.1' };

const stage = useChatStage();
let platform: Platform;

beforeEach(() => {
  platform = createPlatform();
  platform.groups.set('S1', { name: 'oncall', people: ['U_CARA'] });
});

/** In a thread of the channel `place`. */
async function asked(
  policy: Partial<ApprovalPolicy>,
  {
    input = { command: 'rm -rf build' },
    ...requesters
  }: { requested_by?: Actor | null; also_asked?: Actor[]; input?: Record<string, unknown> } = {},
): Promise<string> {
  const ref = await stage.session();
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  const events = asks(approval_id, tool_use_id, policy).map((event) => {
    if (event.type === 'agent.tool_use') return { ...event, input };
    return event.type === 'deckhand.approval_requested' ? { ...event, ...requesters, why: 'It is in the way.' } : event;
  });
  await stage.append(ref, ...events);
  await stage.approvals.record(ref, await stage.log.read(ref));
  return approval_id;
}

function from(name: string, conversation: ConversationKey) {
  return { conversation, person: { id: `U_${name.toUpperCase()}`, name } };
}

function look() {
  return stage.receiver({ connectors: new Map([['test', platform.connector()]]) }).service;
}

async function waitFor(name: string, conversation: ConversationKey): Promise<string[]> {
  const { approvals } = await look().waiting(from(name, conversation));
  return approvals.map(({ card }) => card.approval_id);
}

describe('what waits for somebody', () => {
  it('is what they are named for, alone or by a group, wherever they ask', async () => {
    const named = await asked({ approvers: ['test:U_BEN'] });
    const grouped = await asked({ approvers: ['test:group:S1'] });
    expect(await waitFor('Ben', elsewhere)).toEqual([named]);
    expect(await waitFor('Cara', elsewhere)).toEqual([grouped]);
    expect(await waitFor('Eve', place)).toEqual([]);
  });

  it('is what anyone may decide, in the channel they ask in and of what they asked for', async () => {
    const open = await asked({}, { requested_by: ana });
    expect(await waitFor('Eve', { ...place, thread: 'another' })).toEqual([open]);
    expect(await waitFor('Eve', elsewhere)).toEqual([]);
    expect(await waitFor('Ana', elsewhere)).toEqual([open]);
    const careful = await asked({ four_eyes: true }, { requested_by: ana });
    expect(await waitFor('Ana', place)).toEqual([open]);
    expect(await waitFor('Eve', place)).toEqual([open, careful]);
    const shared = await asked({}, { requested_by: eve, also_asked: [ana] });
    expect(await waitFor('Ana', elsewhere)).toEqual([open, shared]);
  });

  it('is what was asked in the very conversation, where each is its own people’s alone', async () => {
    const open = await asked({}, { requested_by: ana });
    const connector = { ...platform.connector(), closed_conversations: true as const };
    const { service } = stage.receiver({ connectors: new Map([['test', connector]]) });
    const waitsFor = async (name: string, conversation: ConversationKey) =>
      (await service.waiting(from(name, conversation))).approvals.map(({ card }) => card.approval_id);
    expect(await waitsFor('Eve', { ...place, thread: 'another' })).toEqual([]);
    expect(await waitsFor('Eve', place)).toEqual([open]);
    expect(await waitsFor('Ana', { ...place, thread: 'another' })).toEqual([open]);
  });

  it('says where it was asked, and how many more there are', async () => {
    for (let count = 0; count < 12; count++) await asked({ approvers: ['test:U_BEN'] });
    const { approvals, more } = await look().waiting(from('Ben', elsewhere));
    expect(approvals).toHaveLength(10);
    expect(more).toBe(2);
    expect(approvals[0]).toMatchObject({ conversation: place, asked_at: '2026-11-20T12:00:00.000Z' });
  });

  it('is found behind however many others that wait for somebody else', async () => {
    const other = await asked({ approvers: ['test:U_EVE'] });
    const approvals = stage.db.collection<{ _id: string }>('approvals');
    const { _id, ...record } = (await approvals.findOne({ _id: other })) ?? { _id: '' };
    await approvals.insertMany(Array.from({ length: 600 }, (_, n) => ({ ...record, _id: `${_id}_${n}` })));
    stage.clock.now += 1_000;
    const theirs = await asked({ approvers: ['test:U_BEN'] });
    expect(await waitFor('Ben', elsewhere)).toEqual([theirs]);
    expect((await look().waiting(from('Eve', elsewhere))).more).toBe(100);
    // A page of one's own is drawn often: there not all are looked at, and that is said.
    const { waiting } = await look().overview(elsewhere, from('Ben', elsewhere).person);
    expect(waiting).toEqual({ approvals: [], more: 0, cut_short: true });
  });

  it('does not wait once it is decided', async () => {
    const approval_id = await asked({ approvers: ['test:U_BEN'] });
    const decision = { ...from('Ben', elsewhere), event_id: 'c1', approval_id, decision: 'allow' as const };
    await (await look().decision(decision)).receipt;
    expect(await waitFor('Ben', elsewhere)).toEqual([]);
  });
});

describe('the details of a call', () => {
  const detailsFor = async (name: string, conversation: ConversationKey, approval_id: string) =>
    look().details({ ...from(name, conversation), approval_id });

  it('are its arguments whole, text as it is', async () => {
    const command = `echo ${'x'.repeat(10_000)}`;
    const one = await asked({}, { input: { command } });
    expect(await detailsFor('Eve', place, one)).toEqual({
      summary: REMOVAL.summary,
      why: 'It is in the way.',
      detail: command,
      closed: null,
    });
    const two = await asked({}, { input: { file_path: '/a', content: 'b\nc', mode: 7 } });
    expect(await detailsFor('Eve', place, two)).toMatchObject({ detail: 'file_path: /a\ncontent:\nb\nc\nmode: 7' });
    const three = await asked({}, { input: { restart: true } });
    expect(await detailsFor('Eve', place, three)).toMatchObject({ detail: 'restart: true' });
  });

  it('show what nobody would see', async () => {
    const id = await asked({}, { input: { command: 'rm \u202Etxt' } });
    expect(await detailsFor('Ana', place, id)).toMatchObject({ detail: 'rm ⟨U+202E⟩txt' });
  });

  it('say whether this person may decide it, now and for the session', async () => {
    const id = await asked({ approvers: ['test:U_BEN'], for_session: 'tool' });
    expect(await detailsFor('Ben', place, id)).toMatchObject({ closed: null, for_session: 'tool' });
    expect(await detailsFor('Eve', place, id)).toMatchObject({ closed: 'You may not decide this. Who may: U_BEN.' });
    const decision = { ...from('Ben', place), event_id: 'c1', approval_id: id, decision: 'allow' as const };
    await (await look().decision(decision)).receipt;
    expect(await detailsFor('Ben', place, id)).toMatchObject({
      closed: expect.stringContaining('You already approved'),
    });
  });

  it('are for those in the conversation and those who may decide', async () => {
    const id = await asked({ approvers: ['test:U_BEN'] });
    expect(await detailsFor('Eve', place, id)).toMatchObject({ detail: 'rm -rf build' });
    expect(await detailsFor('Ben', elsewhere, id)).toMatchObject({ detail: 'rm -rf build' });
    expect(await detailsFor('Eve', elsewhere, id)).toEqual({ refused: 'Only those who may decide this see it.' });
    expect(await detailsFor('Ben', place, 'appr_unknown')).toEqual({
      refused: 'This question is not known here any more.',
    });
  });

  it('that are private are only for those who may decide', async () => {
    const id = await asked({ approvers: ['test:U_BEN'], private_detail: true });
    expect(await detailsFor('Eve', place, id)).toEqual({ refused: 'Only those who may decide this see it.' });
    expect(await detailsFor('Ben', place, id)).toMatchObject({ detail: 'rm -rf build' });
  });
});
