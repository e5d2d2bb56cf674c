import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Deliverer } from '../../src/chat/deliver.ts';
import { createRoles } from '../../src/chat/roles.ts';
import type { ApprovalPolicy } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import { asks, replied, says } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { type Answers, answersOf } from '../support/slack/answers.ts';
import type { MessagePlace, SlackPerson } from '../support/slack/person.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { userGroup } from '../support/slack/workspace.ts';

const HOUR = 3_600_000;

const { stage, slack, connector } = useSlackStage();
let answers: Answers;
let deliverer: Deliverer;
let ana: SlackPerson;

beforeEach(() => {
  answers = answersOf(slack);
  deliverer = stage.deliverer(createPlatform(), 'gateway_1', {
    connectors: new Map([['slack', connector]]),
    roles: createRoles(stage.db, []),
  });
  ana = slack.user('Ana');
});

afterEach(() => deliverer.stop());

/** What Ana asks for there makes the agent ask whether it may. */
async function asked(thread: MessagePlace, policy: Partial<ApprovalPolicy>): Promise<void> {
  const ref = await eventually(async () => {
    const found = (await stage.refs()).at(-1);
    if (found === undefined || (await stage.log.read(found)).length === 0) throw new Error('There is no session');
    return found;
  });
  const tool_use_id = newId('sevt');
  const requested_by = { via: 'slack', id: ana.user.id, name: 'Ana' };
  const events = asks(derivedId('appr', tool_use_id), tool_use_id, policy).map((event) =>
    event.type === 'deckhand.approval_requested' ? { ...event, requested_by } : event,
  );
  await stage.append(ref, replied('tool_use', [tool_use_id]), says('It is in the way.'), ...events);
  await stage.approvals.record(ref, await stage.log.read(ref));
  await eventually(() => expect(JSON.stringify(ana.sees(thread))).toContain('Who may decide'));
}

async function later(ms: number): Promise<void> {
  stage.clock.now += ms;
  await using timers = stage.approvals.startTimers(HOUR, 5_000);
  await timers.runNow();
}

it('whom an approval is escalated to, and what of that is said in its thread', async () => {
  const [ben, oncall] = [slack.user('Ben').user, slack.channel('oncall').id];
  const crowd = Array.from({ length: 23 }, (_, n) => slack.user(`Member ${n}`).user);
  const crowds = userGroup(slack.workspace, 'everyone-here', ...crowd);
  const alone = userGroup(slack.workspace, 'just-ana', ana.user);
  const nobody = userGroup(slack.workspace, 'nobody-here');
  const thread = ana.mention('ops', 'clean up');
  await asked(thread, {
    approvers: [`slack:${ana.user.id}`, `slack:${ben.id}`],
    four_eyes: true,
    remind_after_ms: HOUR / 2,
    escalate_after_ms: HOUR,
    escalate_to: [
      `slack:${ben.id}`,
      'slack:U0NOBODY',
      `slack:group:${alone}`,
      `slack:group:${nobody}`,
      'web:cleo',
      `slack:group:${crowds}`,
      `slack:channel:${oncall}`,
    ],
  });
  await answers.hears(ana, 'the agent asks', { thread, words: 'Asked in direct messages' });
  await later(HOUR / 2);
  await answers.hears(ana, 'half an hour later', { thread, words: 'A reminder' });
  await later(HOUR / 2);
  await answers.hears(ana, 'an hour later', { thread, words: 'I have asked Ben' });
  for (const [what, words] of [
    ['the next is nobody', 'could not ask U0NOBODY'],
    ['a group of who asked for it alone', 'could not ask @just-ana'],
    ['a group without members', 'could not ask @nobody-here'],
    ['somebody on the page', 'could not ask cleo'],
    ['a large group', 'I have asked @everyone-here'],
  ] as const) {
    await later(HOUR);
    await answers.hears(ana, what, { thread, words });
  }
  await answers.match('escalation');
});

it('who cannot be asked where people are too few', async () => {
  const { workspace_id } = stage.defaults;
  const first = ana.dm('clean up');
  await asked(first, { quorum: 2, private_detail: true });
  await answers.hears(ana, 'two have to approve, and there is no admin', { thread: first, words: 'Could not ask' });
  await createRoles(stage.db, []).give(workspace_id, `slack:${slack.user('Ada').user.id}`, 'admin');
  const second = ana.dm('clean up again');
  await eventually(async () => expect(await stage.refs()).toHaveLength(2));
  await asked(second, { quorum: 3 });
  await answers.hears(ana, 'three have to approve, and there is one admin', { thread: second, words: 'enough people' });
  await answers.match('shorthanded');
});
