import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { InboundFeedback } from '../../../src/chat/inbound.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { ends, replied, says, uses } from '../../support/chat-events.ts';
import { place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Fault, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const THANKS = { effect: 'accepted', text: expect.stringContaining('Thank you') };
const GONE = { effect: 'refused', text: expect.stringContaining('gone') };

const stage = useChatStage();
let platform: Platform;
let deliverer: Deliverer;
let ref: SessionRef;

beforeEach(async () => {
  platform = createPlatform();
  deliverer = stage.deliverer(platform);
  ref = await stage.session();
});

afterEach(async () => {
  await deliverer.stop();
});

/** What may be rated, as it stands in the conversation. */
function rateable(): unknown[] {
  return platform.messages.flatMap(({ versions }) => {
    const shown = versions.at(-1);
    return shown?.kind === 'text' && shown.answer !== undefined ? [[shown.markdown, shown.answer]] : [];
  });
}

async function answered(): Promise<InboundFeedback> {
  const [event_id = ''] = await stage.append(ref, says('There are two files.'), ends());
  return {
    event_id: 'Ev_feedback',
    conversation: place,
    person: { id: 'U_BEN', name: 'Ben' },
    answer: { session_id: ref.session_id, event_id },
    rating: 'bad',
  };
}

async function kept(): Promise<unknown[]> {
  const found = await stage.log.query({ ...ref, types: ['deckhand.feedback'], order: 'asc', limit: 10 });
  return found.map(({ event, by }) =>
    event.type === 'deckhand.feedback' ? [by?.name, event.rating, event.event_id] : [],
  );
}

describe('the answer of a run', () => {
  it('is what people may rate: its last part, and nothing that was said on the way', async () => {
    platform.limits.text = 40;
    const session_id = ref.session_id;
    await stage.append(ref, replied('tool_use'), says('I will look.'), uses('sevt_c1'));
    const [, event_id] = await stage.append(
      ref,
      replied('end_turn'),
      says('The first paragraph is here.\n\nThe second one is there.'),
      ends(),
    );
    await eventually(() => expect(rateable()).toEqual([['The second one is there.', { session_id, event_id }]]));
  });

  it.each<[string, Fault[]]>([
    ['gave up after six failed posts', Array.from({ length: 6 }, () => ({ kind: 'failed' }))],
    ['stopped during a post that took long', [{ kind: 'died', after: false }]],
    ['stopped during a post whose answer took long', [{ kind: 'died', after: true }]],
  ])('is so too when its gateway %s, and another goes on behind the reply', async (_what, faults) => {
    platform.faults.push(...faults);
    const [reply_id, event_id] = await stage.append(ref, replied('end_turn'), says('There are two files.'), ends());
    await eventually(() => expect(platform.calls.filter((call) => call === 'post text')).toHaveLength(faults.length));
    await deliverer.stop();
    const reply = (await stage.entries('deckhand.model_reply')).find(({ event }) => event.id === reply_id);
    const cursor = await stage.db.collection<{ _id: string }>('delivery_cursors').findOne({ _id: ref.session_id });
    expect(cursor).toMatchObject({ seq: reply?.seq });
    deliverer = stage.deliverer(platform, 'gateway_2');
    await deliverer.sweepNow();
    await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
    const { session_id } = ref;
    expect(rateable()).toEqual([['There are two files.', { session_id, event_id }]]);
    expect(platform.messages).toHaveLength(1);
  });

  it('is not what was said on the way when another gateway goes on behind its reply', async () => {
    await stage.append(ref, replied('end_turn'), says('There are two files.'), ends());
    await eventually(() => expect(rateable()).toHaveLength(1));
    platform.faults.push({ kind: 'died', after: false });
    await stage.append(ref, replied('tool_use'), says('I will look again.'), uses('sevt_c1'));
    await eventually(() => expect(platform.calls.filter((call) => call === 'post text')).toHaveLength(2));
    await deliverer.stop();
    deliverer = stage.deliverer(platform, 'gateway_2');
    await deliverer.sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['There are two files.', 'I will look again.']));
    expect(rateable()).toHaveLength(1);
  });
});

describe('feedback', () => {
  it('is kept with the session, by whom, and shown only to who asks for its type', async () => {
    const feedback = await answered();
    expect(await stage.receiver().feedback(feedback)).toEqual(THANKS);
    expect(await kept()).toEqual([['Ben', 'bad', feedback.answer.event_id]]);
    const all = await stage.log.query({ ...ref, order: 'asc', limit: 10 });
    expect(all.map(({ event }) => event.type)).not.toContain('deckhand.feedback');
    expect(await stage.log.head(ref)).toMatchObject({ owed: false, status: 'idle' });
  });

  it('is kept once, however often and wherever it is delivered, and again when it is given again', async () => {
    const feedback = await answered();
    const receipts = await Promise.all([1, 2, 3].map(() => stage.receiver().feedback(feedback)));
    expect(receipts.filter(({ effect }) => effect === 'accepted')).toHaveLength(1);
    await stage.receiver().feedback({ ...feedback, event_id: 'Ev_other', rating: 'good' });
    const { event_id } = feedback.answer;
    expect(await kept()).toEqual([
      ['Ben', 'bad', event_id],
      ['Ben', 'good', event_id],
    ]);
  });

  it('is kept when its session was archived', async () => {
    const feedback = await answered();
    await stage.sessions.archive(ref);
    expect(await stage.receiver().feedback(feedback)).toEqual(THANKS);
    expect(await kept()).toHaveLength(1);
  });

  it('is refused from another place, for what was never said, and for a session that is gone', async () => {
    const feedback = await answered();
    const { session_id } = feedback.answer;
    const elsewhere = { ...place, thread: '999.9' };
    const tries: InboundFeedback[] = [
      { ...feedback, event_id: 'Ev_1', conversation: elsewhere },
      { ...feedback, event_id: 'Ev_2', answer: { session_id, event_id: 'sevt_never' } },
      { ...feedback, event_id: 'Ev_3', answer: { ...feedback.answer, session_id: 'sesn_never' } },
    ];
    for (const one of tries) expect(await stage.receiver().feedback(one)).toEqual(GONE);
    expect(await kept()).toEqual([]);
    await stage.sessions.remove(ref);
    expect(await stage.receiver().feedback({ ...feedback, event_id: 'Ev_4' })).toEqual(GONE);
  });
});
