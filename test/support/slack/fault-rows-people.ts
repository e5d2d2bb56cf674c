import { expect } from 'vitest';
import { derivedId, newId } from '../../../src/session/id.ts';
import { asks, ends, says } from '../chat-events.ts';
import { eventually } from '../eventually.ts';
import { type FaultRow, type FaultScene, PATIENCE_MS } from './fault-scene.ts';
import { buttonLabels } from './person.ts';
import { messageAt, userGroup } from './workspace.ts';

const soon = (look: () => void | Promise<void>) => eventually(look, PATIENCE_MS);

/** What comes of what people do. */
export const PEOPLE_ROWS: Record<string, FaultRow> = {
  'files.info': async ({ stage, slack, strike }) => {
    strike();
    slack.user('Ana').mention('ops', 'look', [{ name: 'a.txt' }]);
    await soon(async () => expect(await stage.entries('user.message')).toHaveLength(1));
    const [ref] = await stage.refs();
    const files = ref === undefined ? [] : await stage.files.uploads(ref);
    expect(files.map(({ filename }) => filename)).toEqual(['a.txt']);
  },
  'users.info': async ({ stage, slack, strike }) => {
    strike();
    slack.user('Ana').mention('ops', 'hello');
    await soon(async () => expect(await stage.entries('user.message')).toHaveLength(1));
    const [message] = await stage.entries('user.message');
    expect(message?.by?.name).toBe('Ana');
  },
  'reactions.add': async (scene) => {
    const { marked } = await steers(scene, true);
    await soon(() => expect(marked()).toEqual(['eyes']));
  },
  'reactions.remove': async (scene) => {
    const { marked, takenUp } = await steers(scene, false);
    await soon(() => expect(marked()).toEqual(['eyes']));
    scene.strike();
    await takenUp();
    await soon(() => expect(marked()).toEqual([]));
  },
  'usergroups.list': async ({ slack, connector, begin, strike }) => {
    const { key } = await begin('ops');
    const group = userGroup(slack.workspace, 'oncall', slack.user('Ben').user);
    strike();
    // Its id will do, and is not kept.
    expect(await connector.groups?.nameOf(group, key.tenant)).toBe(group);
    expect(await connector.groups?.nameOf(group, key.tenant)).toBe('oncall');
  },
  'usergroups.users.list': async ({ slack, connector, begin, strike }) => {
    const { key } = await begin('ops');
    const ben = slack.user('Ben').user;
    const group = userGroup(slack.workspace, 'oncall', ben);
    strike();
    // That nobody knows is said, and is not kept.
    expect(await connector.groups?.includes(group, ben, key)).toBeNull();
    expect(await connector.groups?.includes(group, ben, key)).toBe(true);
  },
  'views.open': async ({ slack, fault, strike }) => {
    const ana = slack.user('Ana');
    slack.channel('ops');
    strike();
    await ana.command('ops', '/agents', 'new');
    // How to do without a form, in words; a form that opened all the same takes nothing away.
    await soon(() => expect(ana.told('ops')).toEqual([expect.stringContaining('/agents new')]));
    expect(ana.view() === undefined).toBe(fault !== 'a dropped response');
  },
  'views.update': async (scene) => {
    const { ben, decisions } = await reviews(scene);
    scene.strike();
    await ben.pressesInModal('Next');
    const isTold = () => ben.told('ops').some((text) => text.includes('cannot be shown just now'));
    await soon(() => expect(isTold()).toBe(true));
    if (scene.fault !== 'a dropped response') {
      expect(pageOf(ben)).toContain('Page 1 of');
      await ben.pressesInModal('Next');
    }
    await soon(() => expect(pageOf(ben)).toContain('Page 2 of'));
    expect(await decisions()).toEqual([]);
  },
  'views.push': async (scene) => {
    const { ben, decisions } = await reviews(scene);
    scene.strike();
    await ben.pressesInModal('Deny');
    // Nobody denies by pressing what opens nothing: it is pressed again.
    await soon(() => expect(ben.told('ops').at(-1)).toContain('Please press the button again.'));
    expect(await decisions()).toEqual([]);
    if (scene.fault === 'a dropped response') return;
    await ben.pressesInModal('Deny');
    await ben.submit({ reason: 'no' });
    await soon(async () => expect(await decisions()).toEqual(['denied']));
  },
  'views.publish': async ({ slack, strike }) => {
    const ana = slack.user('Ana');
    strike();
    ana.opensHome();
    await slack.outbox.idle();
    await soon(() => expect(slack.journal.filter(({ method }) => method === 'views.publish')).toHaveLength(1));
    // Whoever opens it again has it.
    ana.opensHome();
    await soon(() => expect(JSON.stringify(ana.home())).toContain('Create an agent'));
  },
};

/** Ben says something while the agent is at work. @param strikes whether its mark fails */
async function steers({ stage, slack, begin, strike }: FaultScene, strikes: boolean) {
  const { root, ref } = await begin('ops');
  await stage.append(ref, { type: 'session.status_running' });
  if (strikes) strike();
  const reply = slack.user('Ben').reply(root, 'faster', { mention: true });
  await soon(async () => expect((await stage.entries('user.message')).map(({ by }) => by?.name)).toContain('Ben'));
  return {
    marked: () => [...(messageAt(slack.workspace, reply.channel, reply.ts)?.reactions?.keys() ?? [])],
    async takenUp() {
      const event_ids = (await stage.entries('user.message')).map(({ event }) => event.id);
      await stage.append(ref, { type: 'deckhand.input_processed', event_ids }, says('There.'), ends());
    },
  };
}

const pageOf = (person: { view(): unknown }) => JSON.stringify(person.view());

/** Ben has opened a call that is longer than a card. */
async function reviews({ stage, slack, begin }: FaultScene) {
  const { ref, own } = await begin('ops');
  const tool_use_id = newId('sevt');
  const detail = 'x'.repeat(20_000);
  const events = asks(derivedId('appr', tool_use_id), tool_use_id).map((event) =>
    event.type === 'agent.tool_use' ? { ...event, input: { command: detail } } : event,
  );
  await stage.append(
    ref,
    ...events.map((event) =>
      event.type === 'deckhand.approval_requested' ? { ...event, detail: detail.slice(0, 3_000) } : event,
    ),
  );
  await stage.approvals.record(ref, await stage.log.read(ref));
  const card = await eventually(() => {
    const found = own().find((message) => buttonLabels(message).includes('Review'));
    expect(found).toBeDefined();
    return found ?? own()[0];
  }, PATIENCE_MS);
  if (card === undefined) throw new Error('There is no card');
  const ben = slack.user('Ben');
  await ben.click(card, 'Review');
  await soon(() => expect(pageOf(ben)).toContain('Page 1 of'));
  const decisions = async () => (await stage.entries('deckhand.approval_decided')).map(({ event }) => event.outcome);
  return { ben, decisions };
}
