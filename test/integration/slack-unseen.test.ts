import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Deliverer } from '../../src/chat/deliver.ts';
import { ends, says } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { readable } from '../support/slack/transcript.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

const { stage, slack, connector } = useSlackStage();
let deliverer: Deliverer;

beforeEach(() => {
  deliverer = stage.deliverer(createPlatform(), 'gateway_1', { connectors: new Map([['slack', connector]]) });
});

afterEach(() => deliverer.stop());

it.each([
  ['is_archived', 'the channel is archived'],
  ['not_in_channel', 'I am not in the channel'],
  ['restricted_action', 'a setting of the workspace does not let me'],
  ['surprising_new_error', 'Slack says surprising_new_error'],
])('whoever asked is told directly when Slack takes nothing more in the channel (%s)', async (reason, words) => {
  const ana = slack.user('Ana');
  const root = ana.mention('ops', 'go');
  const [ref] = await eventually(async () => {
    const refs = await stage.refs();
    expect(refs).toHaveLength(1);
    return refs;
  });
  if (ref === undefined) throw new Error('There is no session');
  await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
  const channel = slack.workspace.channels.get(root.channel);
  if (reason === 'is_archived') Object.assign(channel ?? {}, { is_archived: true });
  if (reason === 'not_in_channel') channel?.members.delete(slack.workspace.bot_user_id);
  if (!['is_archived', 'not_in_channel'].includes(reason)) slack.faults.refuse('chat.postMessage', reason, 2);
  await stage.append(ref, says('It is done.'), ends());
  await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
  const said = slack.workspace.messages.filter(({ bot_id, ephemeral_to }) => bot_id !== undefined && !ephemeral_to);
  expect(said.map(({ channel: id }) => slack.workspace.channels.get(id)?.kind)).toEqual(['im']);
  expect(said.map(readable)).toEqual([expect.stringContaining(`asked me: ${words}. `)]);
  expect(said.map(readable)).toEqual([expect.stringContaining(`/archives/${root.channel}/p`)]);
  expect((await stage.entries('deckhand.note')).map(({ event }) => event.text)).toEqual([
    `The chat platform takes no message in the conversation (${reason}). Ana was told directly.`,
  ]);
});
