import { describe, expect, it } from 'vitest';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { plannedCall, planOut, textOut } from '../support/cards.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { withoutIds } from '../support/slack/block-limits.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import { type SlackBlock, type SlackMessage, userGroup } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);
const TABLE = '| File | Size |\n| --- | ---: |\n| a.txt | 12 |';

interface Scene extends AsyncDisposable {
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  key: ConversationKey;
  /** Ana's and Ben's ids, who are both in the thread. */
  ana: string;
  ben: string;
  said(): SlackMessage[];
  blocks(): SlackBlock[];
  calls(method: string): unknown[];
}

/** Ana has mentioned Ben and the bot. */
async function begun(place: 'channel' | 'dm' = 'channel'): Promise<Scene> {
  const harness = await startSlackHarness(createRecordingReceiver());
  const { slack, connector } = harness;
  const [ana, ben] = [slack.user('Ana'), slack.user('Ben')];
  const text = `ask <@${ben.user.id}> about it`;
  const root = place === 'dm' ? ana.dm(text) : ana.mention('ops', text);
  await slack.outbox.idle();
  const said = () => slack.workspace.messages.filter((m) => m.bot_id !== undefined);
  return {
    slack,
    connector,
    key: { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts },
    ana: ana.user.id,
    ben: ben.user.id,
    said,
    blocks: () => said().flatMap((message) => withoutIds(message.blocks)),
    calls: (method) => slack.journal.filter((call) => call.method === method),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('what an answer says in Slack', () => {
  it('has its lists, code and links as they are, and its table as Slack’s own', async () => {
    await using scene = await begun();
    const markdown = `# Found\n\n- one\n- [two](https://a.test)\n\n\`\`\`sh\nls | wc\n\`\`\`\n\n${TABLE}\n\nThat is all.`;
    await scene.connector.post(scene.key, textOut('dlv_1', markdown), signal);
    expect(scene.blocks().map((block) => block.type)).toEqual(['markdown', 'table', 'markdown']);
    const file = '../snapshots/slack/answer-with-table.json';
    await expect(`${JSON.stringify(scene.blocks(), null, 2)}\n`).toMatchFileSnapshot(file);
  });

  it('is said all the same where Slack takes no table', async () => {
    await using scene = await begun();
    scene.slack.faults.refuse(['chat.postMessage', 'chat.update'], 'invalid_blocks');
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', TABLE), signal);
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: TABLE }]);
    scene.slack.faults.refuse('chat.update', 'invalid_blocks');
    await scene.connector.edit(scene.key, ref, textOut('dlv_1', `${TABLE}\n\nDone.`), signal);
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: `${TABLE}\n\nDone.` }]);
  });

  it('mentions those of the thread whom it calls by name', async () => {
    await using scene = await begun();
    const { ana, ben } = scene;
    const text = '@Ana, see `@Ben` and @Benjamin; mail x@Ben.test. (@Ben)\n\n```\n@Ana\n```';
    await scene.connector.post(scene.key, textOut('dlv_1', text), signal);
    const linked = `<@${ana}>, see \`@Ben\` and @Benjamin; mail x@Ben.test. (<@${ben}>)\n\n\`\`\`\n@Ana\n\`\`\``;
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: linked }]);
    // What a notification shows has names.
    expect(scene.said()[0]?.text).toContain('@Ana, see');
  });

  it('mentions the channels and groups that its people mentioned, as they call them', async () => {
    await using scene = await begun();
    const { slack, key } = scene;
    const [ops, oncall, web] = [userGroup(slack.workspace, 'ops'), slack.channel('oncall').id, slack.channel('web').id];
    const thread = { channel: key.channel, ts: key.thread };
    // Slack writes some of them with their names, and some without.
    slack.user('Cleo').says('ops', `elsewhere it is <#${web}|web>`);
    slack
      .user('Ana')
      .reply(thread, `tell <!subteam^${ops}>, <#${oncall}|oncall> and <#${web}>\n&gt; <!subteam^S9|dev>`, {
        mention: true,
      });
    await slack.outbox.idle();
    const read = await scene.connector.readable(`<!subteam^${ops}> <#${web}> <#C0NEW>`, key.tenant);
    expect(read).toBe('@ops #web #C0NEW');
    const text = '@ops: see #oncall and #web, not #oncall-2, `#web`, [this](#web) or x#web. @dev <!subteam^S1> @here';
    await scene.connector.post(scene.key, textOut('dlv_1', text), signal);
    const linked = `<!subteam^${ops}>: see <#${oncall}> and <#${web}>, not #oncall-2, \`#web\`, [this](#web) or x#web.`;
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: `${linked} @dev ‹!subteam^S1> @here` }]);
    expect(scene.said()[0]?.text).toContain('@ops: see #oncall');
  });

  it('mentions them in a table too', async () => {
    await using scene = await begun();
    const ops = userGroup(scene.slack.workspace, 'ops');
    const web = scene.slack.channel('web').id;
    const thread = { channel: scene.key.channel, ts: scene.key.thread };
    scene.slack.user('Ana').reply(thread, `tell <!subteam^${ops}|@ops> in <#${web}|web>`, { mention: true });
    await scene.slack.outbox.idle();
    const table = '| a | b | c | d |\n|---|---|---|---|\n| @Ben | @ops | #web | <@U0ELSE> |';
    await scene.connector.post(scene.key, textOut('dlv_1', table), signal);
    const [block] = scene.blocks();
    const [, row] = (block?.['rows'] ?? []) as { elements: { elements: unknown[] }[] }[][];
    expect(row?.flatMap((cell) => cell.elements.flatMap((section) => section.elements))).toEqual([
      { type: 'user', user_id: scene.ben },
      { type: 'usergroup', usergroup_id: ops },
      { type: 'channel', channel_id: web },
      { type: 'text', text: '‹@U0ELSE>' },
    ]);
  });

  it('mentions a group in a stream too, at its end', async () => {
    await using scene = await begun('dm');
    const ops = userGroup(scene.slack.workspace, 'ops');
    const thread = { channel: scene.key.channel, ts: scene.key.thread };
    scene.slack.user('Ana').reply(thread, `tell <!subteam^${ops}|@ops>`);
    await scene.slack.outbox.idle();
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'It is with ', true), signal);
    await scene.connector.edit(scene.key, ref, textOut('dlv_1', 'It is with @ops.'), signal);
    expect(scene.blocks().at(-1)).toEqual({ type: 'markdown', text: `It is with <!subteam^${ops}>.` });
  });

  it('mentions nobody who is not in the thread, and nobody by a name that two have', async () => {
    await using scene = await begun();
    scene.slack.user('Cleo');
    const other = scene.slack.user('Dan');
    Object.assign(other.user, { name: 'Ana' });
    other.reply({ channel: scene.key.channel, ts: scene.key.thread }, 'me too', { mention: true });
    await scene.slack.outbox.idle();
    await scene.connector.post(scene.key, textOut('dlv_1', '@Cleo, @Ana and @Ben'), signal);
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: `@Cleo, @Ana and <@${scene.ben}>` }]);
  });

  it('knows the people of a thread that another process heard, from one look', async () => {
    await using scene = await begun();
    const second = createSlackConnector(slackOptions(scene.slack));
    await second.start(createRecordingReceiver());
    await second.post(scene.key, textOut('dlv_1', 'Thank you, @Ben.'), signal);
    await second.post(scene.key, textOut('dlv_2', 'And @Zoe?'), signal);
    await second.stop(STOP_MS);
    expect(scene.blocks().map((block) => block['text'])).toEqual([`Thank you, <@${scene.ben}>.`, 'And @Zoe?']);
    expect(scene.calls('conversations.replies')).toHaveLength(1);
  });

  it('says names where Slack does not tell who is there', async () => {
    await using scene = await begun();
    scene.slack.faults.fail('conversations.replies', 500);
    await scene.connector.post(scene.key, textOut('dlv_1', 'And @Zoe?'), signal);
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: 'And @Zoe?' }]);
  });

  it('mentions in a stream too, at its end', async () => {
    await using scene = await begun('dm');
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'Thank you, @Ben ', true), signal);
    await scene.connector.edit(scene.key, ref, textOut('dlv_1', 'Thank you, @Ben and all.'), signal);
    expect(scene.blocks()).toEqual([{ type: 'markdown', text: `Thank you, <@${scene.ben}> and all.` }]);
    expect(scene.said()[0]?.stream?.state).toBe('completed');
  });

  it.each(['channel', 'dm'] as const)(
    'rings nobody’s bell in a %s, whatever it writes and however it comes',
    async (place) => {
      await using scene = await begun(place);
      const cleo = scene.slack.user('Cleo').user.id;
      const people = [`<@${cleo}>`, `<@${cleo}|Cleo Smith>`, `<@${cleo.toLowerCase()}>`];
      const bells = ['<!channel>', '<!here|here>', '<!EVERYONE>', '<!subteam^S1|@team>', '<#C0PLANS>', ...people];
      const long = `${'x'.repeat(50)}<@${cleo}> ${'x'.repeat(50)}<!chan`;
      const ref = await scene.connector.post(scene.key, textOut('dlv_1', `${bells.join(' ')} ${long}`, true), signal);
      const all = `${bells.join(' ')} ${long}nel> @channel @here @everyone\n\n| a | b |\n|---|---|\n| <!here> | <@${cleo}> |`;
      await scene.connector.edit(scene.key, ref, textOut('dlv_1', all, true), signal);
      await scene.connector.edit(scene.key, ref, textOut('dlv_1', all), signal);
      await scene.connector.post(scene.key, textOut('dlv_2', all), signal);
      const call = plannedCall({ title: bells.join(' '), detail: bells.join(' '), output: bells.join(' ') });
      await scene.connector.post(scene.key, planOut('dlv_4', [call]), signal);
      const shown = JSON.stringify(scene.said());
      expect(shown).toContain('"table"');
      expect(shown).not.toMatch(
        /<(?:!(?:channel|here|everyone|subteam)|[@#][A-Z0-9])|"(?:user|channel|usergroup)_id"/i,
      );
      const half = textOut('dlv_3', `${'x'.repeat(50)}<@${cleo.slice(0, 2)}`, true);
      const ringing = await scene.connector.post(scene.key, half, signal);
      await scene.connector.edit(
        scene.key,
        ringing,
        textOut('dlv_3', `${'x'.repeat(50)}<@${cleo}> there`, true),
        signal,
      );
      expect(JSON.stringify(scene.said())).not.toContain(`<@${cleo}>`);
    },
  );

  it('keeps within the limit when its mentions are longer than its names', async () => {
    await using scene = await begun();
    const text = '@Ana '.repeat(2_199);
    await scene.connector.post(scene.key, textOut('dlv_1', text), signal);
    expect(scene.blocks()).toEqual([{ type: 'markdown', text }]);
  });
});
