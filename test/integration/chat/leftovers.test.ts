import { describe, expect, it } from 'vitest';
import { createDeliveryStore, type DeliveryStore } from '../../../src/chat/delivery-store.ts';
import { deliveryId } from '../../../src/chat/render-entries.ts';
import { newId } from '../../../src/session/id.ts';
import { ends, says, uses } from '../../support/chat-events.ts';
import { deferred } from '../../support/deferred.ts';
import { eventually } from '../../support/eventually.ts';
import { useLiveStage } from '../../support/use-live-stage.ts';

type Change = Parameters<DeliveryStore['record']>[1];

const on = useLiveStage();

const BROKEN_OFF = '\n\n*(broken off)*';
/** A post each, where a post has 60 characters. */
const LOST = [
  'A first paragraph of what will be lost.\n\n',
  'And a second paragraph of what is lost.\n\n',
  'And the third one of those that are lost.',
];
const ANSWER = [
  'The first paragraph of the true answer.\n\n',
  'Then its second one, that goes on here.\n\n',
  'At last the third, which is its very end.',
];

/** A text is being written that needs so many posts, and then its request fails. */
async function loses(posts: number): Promise<string> {
  const id = newId('sevt');
  await on.starts(id);
  await on.grows(id, LOST.slice(0, posts).join(''));
  await on.shows(growing(LOST.slice(0, posts)));
  await on.drops(id);
  return id;
}

/** How they stand while they grow. */
function growing(parts: readonly string[]): string[] {
  return parts.map((part, index) => (index === parts.length - 1 ? `${part}▌` : part));
}

/** How one stands that broke off. */
function brokenOff(part: string): string {
  return part + BROKEN_OFF;
}

/** A gateway's store that never answers this, which is done by then or not: whoever asks it is as good as dead. */
function silent(store: DeliveryStore, at: (id: string, change: Change) => boolean, when: 'before' | 'after') {
  const [reached, woken] = [deferred<void>(), deferred<void>()];
  const record: DeliveryStore['record'] = async (id, change) => {
    if (!at(id, change)) return store.record(id, change);
    if (when === 'after') await store.record(id, change);
    reached.resolve();
    await woken.promise;
  };
  return { store: { ...store, record }, reached: reached.promise, wake: woken.resolve };
}

/** What the store holds of it, as it does when nothing is left to do. */
async function allPosted(): Promise<void> {
  await eventually(async () => {
    const states = await on.stage.db.collection('deliveries').distinct('state', { ref: { $ne: null } });
    expect(states).toEqual(['posted']);
  });
}

describe('a text whose request failed', () => {
  it('makes room for the next one', async () => {
    on.gateway();
    await on.begun();
    const [failed, retried] = [newId('sevt'), newId('sevt')];
    await on.starts(failed);
    await on.grows(failed, 'There a');
    await on.shows(['There a▌']);
    await on.drops(failed);
    await on.starts(retried);
    await on.grows(retried, 'I count ');
    await on.shows(['I count ▌']);
    await on.stage.append(on.ref, says('I count two.', retried), ends());
    await on.shows(['I count two.']);
    expect(on.platform.messages).toHaveLength(1);
  });

  it('says that it broke off when nothing follows', async () => {
    on.gateway();
    await on.begun();
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There a');
    await on.shows(['There a▌']);
    await on.stage.append(on.ref, ends({ type: 'retries_exhausted' }));
    await on.shows([`There a${BROKEN_OFF}`, '(!) I gave up after several failures.']);
  });

  it('does not come back over the answer at a gateway that knows only its late pieces', async () => {
    const first = on.gateway();
    await on.begun();
    const failed = await loses(1);
    await on.stage.append(on.ref, says('There are two.'));
    await on.shows(['There are two.']);
    await allPosted();
    await first.stop();
    on.gateway('gateway_2');
    await on.stage.append(on.ref, { type: 'session.status_running' });
    await eventually(() => expect(on.platform.calls.filter((call) => call === 'status Thinking…')).toHaveLength(2));
    for (const late of ['There are', 'There are many', 'There are many of them']) {
      await on.stage.preview(on.ref, { type: 'event_so_far', event_id: failed, blocks: [late] });
      // However it is heard, it is looked at before the next.
      await on.stage.append(on.ref, says(`After "${late}".`));
      await eventually(() => expect(on.platform.texts()).toContain(`After "${late}".`));
    }
    expect(on.platform.texts()[0]).toBe('There are two.');
  });

  it('does not overwrite what took its place when a gateway died at that', async () => {
    const store = createDeliveryStore(on.stage.db);
    // The old text's message has the answer, and that is not on record.
    const isAnswer = (_id: string, change: Change) => change.state === 'posted' && change.ref !== undefined;
    const dying = silent(store, isAnswer, 'before');
    const dead = on.gateway('gateway_1', { store: dying.store });
    await on.begun();
    const failed = newId('sevt');
    await on.starts(failed);
    await on.grows(failed, 'There a');
    await on.shows(['There a▌']);
    await on.stage.append(on.ref, says('There are two.'), ends());
    await on.shows(['There are two.']);
    await on.leaseRunsOut();
    await on.gateway('gateway_2').sweepNow();
    await eventually(async () => expect(await on.stage.log.undelivered(10)).toEqual([]));
    dying.wake();
    await dead.stop();
    expect(on.platform.texts()).toEqual(['There are two.']);
  });
});

describe('a text of several posts whose request failed', () => {
  it('makes room for the next one in each of them, from the top', async () => {
    on.platform.limits.text = 60;
    on.gateway();
    await on.begun();
    await loses(3);
    const answer = newId('sevt');
    await on.starts(answer);
    await on.grows(answer, ANSWER[0] ?? '');
    await on.shows([`${ANSWER[0]}▌`, LOST[1], `${LOST[2]}▌`]);
    await on.grows(answer, ANSWER[1] ?? '');
    await on.shows([...growing(ANSWER.slice(0, 2)), `${LOST[2]}▌`]);
    await on.grows(answer, ANSWER[2] ?? '');
    await on.shows(growing(ANSWER));
    await on.stage.append(on.ref, says(ANSWER.join(''), answer), ends());
    await on.shows(ANSWER);
    await allPosted();
  });

  it('does so also for a text that needs more', async () => {
    on.platform.limits.text = 60;
    on.gateway();
    await on.begun();
    await loses(2);
    await on.stage.append(on.ref, says(ANSWER.join('')), ends());
    await on.shows(ANSWER);
  });

  it('says that it broke off in what a shorter one leaves of it, before anything comes below', async () => {
    on.platform.limits.text = 60;
    on.platform.shows_activity = true;
    on.gateway();
    await on.begun();
    await loses(3);
    await on.stage.append(on.ref, says('Let me look.'), uses('sevt_c1'));
    const left = LOST.slice(1).map(brokenOff);
    await on.shows(['Let me look.', ...left, '<running> Use bash']);
    await on.stage.append(on.ref, says('There are two.'), ends());
    await on.shows(['Let me look.', ...left, '<running> Use bash', 'There are two.']);
    await allPosted();
  });

  it('says so in all of them when nothing follows', async () => {
    on.platform.limits.text = 60;
    on.gateway();
    await on.begun();
    await loses(3);
    await on.stage.append(on.ref, ends({ type: 'retries_exhausted' }));
    await on.shows([...LOST.map(brokenOff), '(!) I gave up after several failures.']);
    await allPosted();
  });

  it('stands where somebody stopped it, as it was said', async () => {
    on.platform.limits.text = 60;
    on.gateway();
    await on.begun();
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, LOST.join(''));
    await on.shows(growing(LOST));
    await on.stage.append(on.ref, says(LOST.join(''), id), ends());
    await on.shows(LOST);
    await allPosted();
  });

  it('makes room once more when the next one is lost after its first post', async () => {
    on.platform.limits.text = 60;
    on.gateway();
    await on.begun();
    await loses(3);
    const lost = newId('sevt');
    await on.starts(lost);
    await on.grows(lost, 'Not this one either');
    await on.shows(['Not this one either▌', LOST[1], `${LOST[2]}▌`]);
    await on.drops(lost);
    await on.stage.append(on.ref, says(ANSWER.join('')), ends());
    await on.shows(ANSWER);
    await allPosted();
  });

  it('makes room also where another gateway shows the next one', async () => {
    on.platform.limits.text = 60;
    const first = on.gateway('gateway_1');
    await on.begun();
    await loses(3);
    await first.stop();
    await on.stage.append(on.ref, says(ANSWER.slice(0, 2).join('')), ends());
    await on.gateway('gateway_2').sweepNow();
    await on.shows([...ANSWER.slice(0, 2), brokenOff(LOST[2] ?? '')]);
    await allPosted();
  });

  it.each([
    ['before it is on record', 'before', undefined],
    ['after it is on record', 'after', undefined],
    ['before the new text is', 'before', 'posted'],
  ] as const)('makes room once when a gateway dies at it, %s', async (_when, when, state) => {
    on.platform.limits.text = 60;
    const answer = newId('sevt');
    const dying = silent(
      createDeliveryStore(on.stage.db),
      (id, change) => id === deliveryId(answer, 1) && change.state === state,
      when,
    );
    on.gateway('gateway_1', { store: dying.store });
    await on.begun();
    await loses(3);
    await on.stage.append(on.ref, says(ANSWER.join(''), answer), ends());
    await dying.reached;
    await on.leaseRunsOut();
    await on.gateway('gateway_2').sweepNow();
    await on.shows(ANSWER);
    await allPosted();
    dying.wake();
  });

  it('makes room once when a gateway dies at it and the text that took its place is lost as well', async () => {
    on.platform.limits.text = 60;
    const lost = newId('sevt');
    const dying = silent(
      createDeliveryStore(on.stage.db),
      (id, change) => id === deliveryId(lost, 1) && change.state === undefined,
      'after',
    );
    on.gateway('gateway_1', { store: dying.store });
    await on.begun();
    await loses(3);
    await on.starts(lost);
    await on.grows(lost, ANSWER.slice(0, 2).join(''));
    await dying.reached;
    await on.leaseRunsOut();
    const final = ['Only this is the answer that was given.\n\n', ...ANSWER.slice(1)];
    await on.stage.append(on.ref, says(final.join('')), ends());
    await on.gateway('gateway_2').sweepNow();
    await on.shows(final);
    await allPosted();
    dying.wake();
  });
});

it('a text that shrinks to fewer posts at its end says so in what it no longer needs', async () => {
  on.platform.limits.text = 60;
  on.gateway();
  await on.begun();
  const id = newId('sevt');
  // With the line that closes it, this needs two posts until the closing line is whole.
  const open = `\`\`\`\n${'x'.repeat(52)}\n\``;
  await on.starts(id);
  await on.grows(id, open);
  await on.shows([expect.stringContaining('xxx'), expect.stringContaining('▌')]);
  await on.stage.append(on.ref, says(`${open}\`\``, id), ends());
  await on.shows([`${open}\`\``, expect.stringMatching(/\*\(broken off\)\*$/)]);
  await allPosted();
});
