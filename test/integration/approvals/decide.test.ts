import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApprovalStore } from '../../../src/approvals/approval-store.ts';
import type { DecideRequest } from '../../../src/approvals/decide.ts';
import { createRepair } from '../../../src/approvals/repair.ts';
import { createUnrecorded } from '../../../src/approvals/unrecorded.ts';
import type { Actor } from '../../../src/session/event.ts';
import { newId } from '../../../src/session/id.ts';
import {
  type ApprovalScene,
  ana,
  approvalScene,
  ben,
  client,
  pendingOf,
  type Question,
} from '../../support/approvals.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let scene: ApprovalScene;

beforeEach(async () => {
  database = await testDatabase();
  scene = await approvalScene(database.db);
});

afterEach(() => database[Symbol.asyncDispose]());

function by(person: Actor, question: Question, over: Partial<DecideRequest> = {}): DecideRequest {
  const { approval_id } = question;
  return { workspace_id: 'wrkspc_1', approval_id, decision: 'allow', by: person, in_conversation: true, ...over };
}

async function asked(...how: Parameters<ApprovalScene['asks']>): Promise<Question> {
  const question = await scene.asks(...how);
  await scene.process().record(scene.ref, question.entries);
  return question;
}

describe('deciding', () => {
  it('puts a confirmation and the record of who decided into the log, and owes a turn', async () => {
    const question = await asked();
    const result = await scene.process().decide(by(ben, question));
    expect(result).toMatchObject({ result: 'decided', text: 'Approved.' });
    const [confirmation] = await scene.events('user.tool_confirmation');
    expect(confirmation).toMatchObject({ tool_use_id: question.tool_use_id, result: 'allow', processed_at: null });
    const [decided] = await scene.events('deckhand.approval_decided');
    expect(decided).toMatchObject({ outcome: 'allowed', by: ben, reason: null });
    expect((await scene.log.head(scene.ref)).owed).toBe(true);
  });

  it('hands the reason of a denial to Claude', async () => {
    const question = await asked();
    await scene.process().decide(by(ben, question, { decision: 'deny', reason: '  too broad ' }));
    expect(await scene.events('user.tool_confirmation')).toMatchObject([{ result: 'deny', deny_message: 'too broad' }]);
  });

  it('keeps 2,000 characters of a reason', async () => {
    const question = await asked();
    await scene.process().decide(by(ben, question, { decision: 'deny', reason: 'x'.repeat(5_000) }));
    expect((await scene.events('deckhand.approval_decided'))[0]?.reason).toHaveLength(2_000);
  });

  it('has one effect when two people click at once in two processes, and tells both what it was', async () => {
    const question = await asked();
    const results = await Promise.all([
      scene.process().decide(by(ana, question)),
      scene.process().decide(by(ben, question, { decision: 'deny' })),
    ]);
    expect(results.map((one) => one.result).sort()).toEqual(['already_decided', 'decided']);
    expect(await scene.events('user.tool_confirmation')).toHaveLength(1);
    const late = results.find((one) => one.result === 'already_decided');
    expect(late?.text).toMatch(/^(Ana already approved|Ben already denied) this on 20 November at 12:00 UTC\.$/);
  });

  it('tells a late click who decided and why', async () => {
    const question = await asked();
    await scene.process().decide(by(ana, question, { decision: 'deny', reason: 'not today' }));
    const late = await scene.process().decide(by(ben, question));
    expect(late.text).toBe('Ana already denied this on 20 November at 12:00 UTC: not today.');
    expect((await scene.process().decide(by(ana, question))).text).toMatch(/^You already denied/);
  });

  it('answers several questions one by one', async () => {
    const first = await asked();
    const second = await asked();
    await scene.process().decide(by(ben, second));
    expect((await pendingOf(scene.process(), 'wrkspc_1')).map((one) => one._id)).toEqual([first.approval_id]);
    await scene.process().decide(by(ben, first));
    expect(await pendingOf(scene.process(), 'wrkspc_1', scene.ref.session_id)).toEqual([]);
    expect(await scene.events('user.tool_confirmation')).toHaveLength(2);
  });

  it('knows no approval of another workspace', async () => {
    const question = await asked();
    const result = await scene.process().decide(by(ben, question, { workspace_id: 'wrkspc_2' }));
    expect(result.result).toBe('not_found');
  });

  it('lets the API decide by tool call, and tells it of a second answer', async () => {
    const { tool_use_id } = await asked();
    const answer = { tool_use_id, decision: 'allow' as const, by: client, in_conversation: false };
    expect(await scene.process().decideByToolUse(scene.ref, answer)).toMatchObject({ result: 'decided' });
    expect(await scene.process().decideByToolUse(scene.ref, answer)).toMatchObject({ result: 'already_decided' });
    const unknown = { ...answer, tool_use_id: newId('sevt') };
    expect(await scene.process().decideByToolUse(scene.ref, unknown)).toMatchObject({ result: 'not_found' });
  });
});

describe('who may decide', () => {
  it('is whoever is in the conversation, and no stranger, when nobody is named', async () => {
    const question = await asked();
    const stranger = await scene.process().decide(by(ben, question, { in_conversation: false }));
    expect(stranger).toMatchObject({
      result: 'not_allowed',
      text: 'Only members in the conversation may decide this.',
    });
    expect(await scene.events('user.tool_confirmation')).toEqual([]);
    expect((await scene.process().decide(by(ben, question))).result).toBe('decided');
  });

  it('is only who is named, wherever they are', async () => {
    const question = await asked({ approvers: ['slack:U_BEN'] });
    expect((await scene.process().decide(by(ana, question))).text).toBe('You may not decide this. Who may: U_BEN.');
    const web = { via: 'web', id: 'U_BEN', name: 'Ben' };
    expect((await scene.process().decide(by(web, question))).result).toBe('not_allowed');
    expect((await scene.process().decide(by(ben, question, { in_conversation: false }))).result).toBe('decided');
  });

  it('is not the person who asked, with four eyes', async () => {
    const question = await asked({ four_eyes: true });
    expect((await scene.process().decide(by(ana, question))).text).toBe(
      'You asked for this, so somebody else has to approve it.',
    );
    expect((await scene.process().decide(by(ben, question))).result).toBe('decided');
  });

  it('is nobody of several who asked, with four eyes', async () => {
    const question = await asked({ four_eyes: true }, [ben]);
    for (const requester of [ana, ben]) {
      expect(await scene.process().decide(by(requester, question))).toMatchObject({
        result: 'not_allowed',
        approvers: 'members in this conversation except Ana, Ben',
        text: 'You asked for this, so somebody else has to approve it.',
      });
    }
    const cara = { via: 'slack', id: 'U_CARA', name: 'Cara' };
    expect((await scene.process().decide(by(cara, question))).result).toBe('decided');
  });

  it('is who asked, for a denial, with four eyes', async () => {
    const question = await asked({ four_eyes: true });
    const denied = await scene.process().decide(by(ana, question, { decision: 'deny', reason: 'Never mind' }));
    expect(denied).toMatchObject({ result: 'decided', approval: { status: 'denied' } });
    const others = await asked({ approvers: ['slack:U_BEN'], four_eyes: true });
    expect((await scene.process().decide(by(ana, others, { decision: 'deny' }))).result).toBe('not_allowed');
  });

  it('is always a holder of an API key', async () => {
    const question = await asked({ approvers: ['slack:U_BEN'], four_eyes: true });
    const result = await scene.process().decide(by(client, question, { in_conversation: false }));
    expect(result.result).toBe('decided');
  });
});

describe('a process that dies', () => {
  it('between the question and its record loses nothing: a click rebuilds the record', async () => {
    const question = await scene.asks();
    expect((await scene.process().decide(by(ben, question))).result).toBe('decided');
  });

  it('between the question and its record loses nothing: the timers rebuild it', async () => {
    const question = await scene.asks();
    await using timers = scene.process().startTimers(3_600_000, 5_000);
    await timers.runNow();
    expect((await pendingOf(scene.process(), 'wrkspc_1')).map((one) => one._id)).toEqual([question.approval_id]);
  });

  it('between the decision and the log is finished by another, once', async () => {
    const question = await asked();
    await expect(scene.process('before the append').decide(by(ben, question))).rejects.toThrow('died here');
    expect(await scene.events('user.tool_confirmation')).toEqual([]);

    scene.clock.now += 10_000;
    await using one = scene.process().startTimers(3_600_000, 5_000);
    await using two = scene.process().startTimers(3_600_000, 5_000);
    await Promise.all([one.runNow(), two.runNow()]);
    await one.runNow();
    expect(await scene.events('user.tool_confirmation')).toMatchObject([{ result: 'allow' }]);
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([{ outcome: 'allowed', by: ben }]);
  });

  it('after the log took the decision leaves nothing to do twice', async () => {
    const question = await asked();
    await expect(scene.process('after the append').decide(by(ben, question))).rejects.toThrow('died here');
    scene.clock.now += 10_000;
    await using timers = scene.process().startTimers(3_600_000, 5_000);
    await timers.runNow();
    expect(await scene.events('user.tool_confirmation')).toHaveLength(1);
    expect(await scene.process().find('wrkspc_1', question.approval_id)).toMatchObject({ appended: true });
  });

  it('between the decision and the log is finished by the next click, which changes nothing', async () => {
    const question = await asked();
    await expect(scene.process('before the append').decide(by(ben, question))).rejects.toThrow('died here');
    const late = await scene.process().decide(by(ana, question, { decision: 'deny' }));
    expect(late.text).toMatch(/^Ben already approved/);
    expect(await scene.events('user.tool_confirmation')).toMatchObject([{ result: 'allow' }]);
  });
});

describe('a Stop', () => {
  async function withdrawn(question: Question) {
    const { seq } = await scene.log.head(scene.ref);
    return scene.log.append({ ...scene.ref, after: seq, entries: [{ event: scene.withdrawal(question) }] });
  }

  it('withdraws the question', async () => {
    const question = await asked();
    await scene.process().record(scene.ref, await withdrawn(question));
    const late = await scene.process().decide(by(ben, question));
    expect(late).toMatchObject({ result: 'withdrawn', text: 'The run was stopped, so nothing need be decided.' });
    expect(await scene.events('user.tool_confirmation')).toEqual([]);
  });

  it('is right against a click whose process had not heard of it', async () => {
    const question = await asked();
    await withdrawn(question);
    expect((await scene.process().decide(by(ben, question))).result).toBe('withdrawn');
    expect(await scene.events('user.tool_confirmation')).toEqual([]);
    expect((await scene.process().find('wrkspc_1', question.approval_id))?.status).toBe('withdrawn');
  });

  it('reaches the record at the next round also when the process that stopped died', async () => {
    const question = await asked();
    await using timers = scene.process().startTimers(3_600_000, 5_000);
    await timers.runNow();
    await withdrawn(question);
    await timers.runNow();
    expect(await pendingOf(scene.process(), 'wrkspc_1')).toEqual([]);
  });
});

describe('a question whose process died before its record', () => {
  it('is on record at the next round of any process, also when others were asked and recorded before', async () => {
    await asked();
    await using timers = scene.process().startTimers(3_600_000, 5_000);
    await timers.runNow();
    const { approval_id } = await scene.asks({ remind_after_ms: 60_000 });
    await timers.runNow();
    expect((await pendingOf(scene.process(), 'wrkspc_1')).map(({ _id }) => _id)).toContain(approval_id);
    scene.clock.now += 60_000;
    await timers.runNow();
    expect(await scene.events('deckhand.approval_reminded')).toMatchObject([{ approval_id }]);
  });

  it('is on record although another session’s log cannot be read', async () => {
    await scene.asks();
    const other = await approvalScene(database.db);
    const { approval_id } = await other.asks();
    const repair = createRepair({
      db: database.db,
      store: createApprovalStore(database.db),
      unrecorded: createUnrecorded(database.db),
      log: {
        async query(query) {
          if (query.session_id === scene.ref.session_id) throw new Error('It cannot be read');
          return other.log.query(query);
        },
      },
    });
    await expect(repair.recordNew()).rejects.toThrow('It cannot be read');
    expect((await pendingOf(other.process(), 'wrkspc_1')).map(({ _id }) => _id)).toEqual([approval_id]);
  });

  it('is looked at no more once it is on record, and one that came meanwhile is', async () => {
    const marked = () => database.db.collection('sessions').countDocuments({ 'log.unrecorded': { $exists: true } });
    const first = await scene.asks();
    const second = await scene.asks();
    await scene.process().record(scene.ref, first.entries);
    expect(await marked()).toBe(1);
    await scene.process().record(scene.ref, second.entries);
    expect(await marked()).toBe(0);
  });
});

describe('timers', () => {
  it('do not remind of what is decided', async () => {
    const question = await asked({ remind_after_ms: 60_000 });
    await scene.process().decide(by(ben, question));
    scene.clock.now += 60_000;
    await using timers = scene.process().startTimers(3_600_000, 5_000);
    await timers.runNow();
    expect(await scene.events('deckhand.approval_reminded')).toEqual([]);
  });

  it('deny what nobody decided in time, once', async () => {
    const question = await asked({ expire_after_ms: 60_000 });
    scene.clock.now += 59_999;
    await using one = scene.process().startTimers(3_600_000, 5_000);
    await using two = scene.process().startTimers(3_600_000, 5_000);
    await one.runNow();
    expect(await scene.events('deckhand.approval_decided')).toEqual([]);
    scene.clock.now += 1;
    await Promise.all([one.runNow(), two.runNow()]);
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([{ outcome: 'expired', by: null }]);
    expect(await scene.events('user.tool_confirmation')).toMatchObject([
      { result: 'deny', deny_message: 'Nobody decided in time.' },
    ]);
    expect(await scene.process().decide(by(ben, question))).toMatchObject({ result: 'expired' });
  });

  it('need not have run for a click to be too late', async () => {
    const question = await asked({ expire_after_ms: 60_000 });
    scene.clock.now += 60_000;
    expect(await scene.process().decide(by(ben, question))).toMatchObject({ result: 'expired' });
    expect(await scene.events('user.tool_confirmation')).toMatchObject([{ result: 'deny' }]);
  });

  it.each([
    ['is told', async () => scene.process().forget(scene.ref)],
    ['was not told', async () => undefined],
  ])('let go of a session that was deleted, whether or not anybody %s', async (_who, tell) => {
    await asked({ expire_after_ms: 60_000, remind_after_ms: 30_000 });
    await database.db.collection('sessions').deleteMany({});
    await tell();
    scene.clock.now += 60_000;
    await using timers = scene.process().startTimers(3_600_000, 5_000);
    await timers.runNow();
    expect(await database.db.collection('approvals').countDocuments({})).toBe(0);
  });
});
