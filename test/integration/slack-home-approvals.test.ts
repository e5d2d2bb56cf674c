import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSlackConnector, type SlackConnector } from '../../connectors/slack/index.ts';
import type { Deliverer } from '../../src/chat/deliver.ts';
import type { ApprovalPolicy } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import { pendingOf } from '../support/approvals.ts';
import { REMOVAL } from '../support/cards.ts';
import { asks } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { slackOptions } from '../support/slack/harness.ts';
import { buttonLabels, type MessagePlace, type SlackPerson } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

const HOUR = 3_600_000;

const stage = useChatStage();
let slack: SlackServer;
let connector: SlackConnector;
let gateway: Deliverer;
let ben: SlackPerson;
/** So many of the next decisions cannot be kept. */
let refusals: number;
/** Nothing can be looked up. */
let isUnread: boolean;

beforeEach(async () => {
  slack = await startSlackServer();
  connector = createSlackConnector(slackOptions(slack));
  const connectors = new Map([['slack', connector]]);
  gateway = stage.deliverer(createPlatform(), 'gateway_1', { connectors });
  const { service } = stage.receiver({ connectors });
  refusals = 0;
  isUnread = false;
  await connector.start({
    ...service,
    async overview(...asked) {
      if (isUnread) throw new Error('The database is away');
      return service.overview(...asked);
    },
    async decision(decision) {
      if (refusals === 0) return service.decision(decision);
      refusals -= 1;
      throw new Error('The database is away');
    },
  });
  ben = slack.user('Ben');
});

afterEach(async () => {
  await connector.stop(STOP_MS);
  await gateway.stop();
  await slack[Symbol.asyncDispose]();
});

/** Ana asks for something in `ops`, and the turn asks Ben whether it may. */
async function asked(policy: Partial<ApprovalPolicy> = {}, command = 'rm -rf build'): Promise<MessagePlace> {
  // Ben is in the channel, so nothing is said to him anywhere else.
  slack.channel('ops').members.add(ben.user.id);
  const thread = slack.user('Ana').mention('ops', 'clean up');
  await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  const tool_use_id = newId('sevt');
  const requested_by = { via: 'slack', id: slack.user('Ana').user.id, name: 'Ana' };
  const events = asks(derivedId('appr', tool_use_id), tool_use_id, { approvers: [`slack:${ben.user.id}`], ...policy });
  await stage.append(
    ref,
    ...events.map((event) => {
      if (event.type === 'agent.tool_use') return { ...event, input: { command } };
      if (event.type !== 'deckhand.approval_requested') return event;
      return { ...event, requested_by, detail: command, why: 'The disk is full.' };
    }),
  );
  await stage.approvals.record(ref, await stage.log.read(ref));
  await eventually(() => expect(card(thread)).toBeDefined());
  return thread;
}

function card({ channel }: MessagePlace): SlackMessage {
  const found = slack.workspace.messages.find(
    (one) => one.channel === channel && /(Approval needed|Approved|Denied): bash/.test(readable(one)),
  );
  if (found === undefined) throw new Error('There is no card');
  return found;
}

function home(words: string, person = ben): Promise<string> {
  return eventually(() => {
    const text = readableText(person.home()).join('\n');
    expect(text).toContain(words);
    return text;
  });
}

async function opens(person = ben): Promise<string> {
  person.opensHome();
  return home('Waiting for you', person);
}

describe('an approval on the Home tab', () => {
  it('shows what its card shows', async () => {
    const thread = await asked({ for_session: 'tool', expire_after_ms: HOUR, quorum: 2 });
    const text = await opens();
    for (const words of [
      REMOVAL.summary,
      'rm -rf build',
      'The disk is full.',
      'Requested by *Ana*',
      `Who may decide: <@${ben.user.id}>`,
      '0 of 2 have approved',
      'If nobody decides, it is denied <!date^',
      `/archives/${thread.channel}/p`,
    ]) {
      expect(text).toContain(words);
    }
    for (const label of buttonLabels(card(thread))) expect(text).toContain(label);
    const eve = slack.user('Eve');
    eve.opensHome();
    expect(await home('Nothing runs for you.', eve)).not.toContain('Waiting for you');
  });

  it.each([
    ['Approve', 'Approved by *Ben*'],
    ['Approve for this session', 'run without asking'],
  ])('decided with %s is gone there, and its card says by whom', async (label, words) => {
    const thread = await asked({ for_session: 'tool' });
    await opens();
    expect((await ben.presses(label)).acked).toBe(true);
    expect(await home('Approved.')).not.toContain('Waiting for you');
    await eventually(() => expect(readable(card(thread))).toContain(words));
    expect(readable(card(thread))).toContain('Approved by *Ben*');
    expect(buttonLabels(card(thread))).toEqual([]);
    expect(await stage.entries('user.tool_confirmation')).toMatchObject([{ event: { result: 'allow' } }]);
  });

  it('is denied with a reason', async () => {
    const thread = await asked();
    await opens();
    expect((await ben.presses('Deny')).acked).toBe(true);
    await eventually(() => expect(ben.view()).toBeDefined());
    expect(await stage.entries('deckhand.approval_decided')).toEqual([]);
    expect((await ben.submit({ reason: 'Not on a Friday' })).acked).toBe(true);
    expect(await home('Denied.')).not.toContain('Waiting for you');
    await eventually(() => expect(readable(card(thread))).toContain('Not on a Friday'));
    expect(await stage.entries('deckhand.approval_decided')).toMatchObject([
      { event: { outcome: 'denied', reason: 'Not on a Friday', by: { name: 'Ben' } } },
    ]);
  });

  it('shows a long call whole in a modal, and a private one to nobody but by that', async () => {
    const command = `echo ${'x'.repeat(4_000)} end`;
    await asked({ private_detail: true }, command);
    const text = await opens();
    expect(text).not.toContain('echo');
    expect(text).not.toContain('The disk is full.');
    expect((await ben.presses('Review')).acked).toBe(true);
    await eventually(() => expect(readableText(ben.view()?.blocks).join('')).toContain('xxx end'));
    expect((await ben.pressesInModal('Approve')).acked).toBe(true);
    expect(await home('Approved.')).not.toContain('Waiting for you');
    await eventually(() => expect(readableText(ben.view()?.blocks).join('')).toContain('Approved.'));
  });

  it('that is private opens for nobody else, and says by whom it was decided meanwhile', async () => {
    const thread = await asked({ private_detail: true });
    const eve = slack.user('Eve');
    await eve.click(card(thread), 'Review');
    const seen = (person: SlackPerson) => readableText(person.view()?.blocks).join('');
    await eventually(() => expect(seen(eve)).toContain('Only those who may decide this see it.'));
    expect(seen(eve)).not.toContain('rm -rf');
    await opens();
    await ben.presses('Review');
    await eventually(() => expect(seen(ben)).toContain('rm -rf'));
    const [{ workspace_id } = { workspace_id: '' }] = await stage.refs();
    const [waiting] = await pendingOf(stage.approvals, workspace_id);
    const by = { via: 'slack', id: ben.user.id, name: 'Ben' };
    const decision = { by, in_conversation: false, decision: 'deny' as const };
    await stage.approvals.decide({ ...decision, workspace_id, approval_id: waiting?._id ?? '' });
    await ben.pressesInModal('Approve');
    await eventually(() => expect(readableText(ben.view()?.blocks).join('')).toContain('You already denied this'));
    expect(await stage.entries('deckhand.approval_decided')).toHaveLength(1);
  });

  it('that somebody else decided meanwhile says so, and is gone', async () => {
    const thread = await asked();
    await opens();
    await ben.click(card(thread), 'Approve');
    await eventually(() => expect(readable(card(thread))).toContain('Approved by *Ben*'));
    expect((await ben.presses('Approve')).acked).toBe(true);
    expect(await home('already')).not.toContain('Waiting for you');
    expect(await stage.entries('deckhand.approval_decided')).toHaveLength(1);
  });

  it('says there when a decision could not be recorded, and takes it when it is pressed again', async () => {
    const thread = await asked();
    await opens();
    refusals = 1;
    await ben.presses('Approve');
    await home('could not be recorded just now');
    expect((await ben.presses('Approve')).acked).toBe(true);
    await home('Approved.');
    await eventually(() => expect(readable(card(thread))).toContain('Approved by *Ben*'));
  });

  it('says what became of a click also when nothing can be looked up', async () => {
    await asked();
    await opens();
    isUnread = true;
    refusals = 1;
    await ben.presses('Approve');
    expect(await home('cannot be read just now')).toContain('could not be recorded just now');
  });

  it('says what became of a click in direct messages when the tab cannot be drawn', async () => {
    await asked();
    await opens();
    slack.faults.refuse('views.publish', 'invalid_arguments');
    await ben.presses('Approve');
    await eventually(() => {
      const direct = slack.workspace.messages.filter(({ channel }) => channel.startsWith('D'));
      expect(direct.map(readable)).toEqual([expect.stringContaining('Approved.')]);
    });
  });
});
