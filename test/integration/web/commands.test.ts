import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connector } from '../../../src/chat/connector.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import { asks } from '../../support/chat-events.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';
import { createWebClient, type WebClient } from '../../support/web-client.ts';
import { startWebServer, type WebServer } from '../../support/web-server.ts';

const stage = useChatStage();
let server: WebServer;
let ana: WebClient;
let ben: WebClient;
let id: string;

beforeEach(async () => {
  const connectors = new Map<string, Connector>();
  server = await startWebServer(stage.db, stage.receiver({ connectors }).service);
  connectors.set('web', server.connector);
  [ana, ben] = (await Promise.all(['Ana', 'Ben'].map(clientFor))) as [WebClient, WebClient];
  ({ id } = await ana.begin());
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

async function clientFor(name: string): Promise<WebClient> {
  const client = createWebClient(server.url);
  await client.signIn(name);
  return client;
}

async function seenBy(client: WebClient): Promise<string[]> {
  const { messages } = await client.open(id);
  return messages.map(({ body }) => ('markdown' in body ? `${body.kind}: ${body.markdown}` : body.kind));
}

describe('a command on the page', () => {
  it('is answered to who typed it, and nobody else sees either', async () => {
    await ana.say(id, '  /agents list');
    expect(await seenBy(ana)).toEqual([
      'text:   /agents list',
      expect.stringMatching(/^whisper: \*\*Agents\*\*\n- \*\*deckhand/),
    ]);
    expect(await seenBy(ben)).toEqual([]);
    expect(await stage.refs()).toEqual([]);
    expect((await ana.open(id)).conversation.title).toBeNull();
  });

  it('is every one that there is', async () => {
    const ref = await stage.session();
    const tool_use_id = newId('sevt');
    const approval_id = derivedId('appr', tool_use_id);
    await stage.append(ref, ...asks(approval_id, tool_use_id, { approvers: ['web:ana'] }));
    await stage.approvals.record(ref, await stage.log.read(ref));
    await ana.say(id, 'look around');
    const begun = (await stage.refs()).map(({ session_id }) => session_id).find((one) => one !== ref.session_id);
    const typed: readonly [text: string, answer: RegExp][] = [
      ['/agents list', /\*\*Agents\*\*/],
      ['/agents new\nname: Scout', /Scout\*\* is there/],
      ['/agents show Scout', /Owners: ana/],
      ['/agents edit Scout\ninstructions: Look.', /\*\*Scout\*\* is saved/],
      ['/agents use Scout', /\*\*Scout\*\* answers here/],
      ['/agents reply thread', /^whisper: Here I take everything you write\.$/],
      ['/agents pause Scout', /takes no new work/],
      ['/agents resume Scout', /takes work again/],
      ['/agents owner Scout\nowners: web:ana, web:ben', /owned by ana, ben/],
      ['/agents versions Scout', /5 · .* now: owners/],
      ['/agents rollback Scout 1', /went back to version 1/],
      ['/agents runs Scout', /has not been asked/],
      ['/agents cost Scout', /Scout\*\* has spent nothing this month/],
      ['/agents role web:ben guest', /You may not give roles/],
      ['/agents archive Scout', /cannot be undone/],
      ['/sessions mine', /Your sessions.*look around/s],
      ['/sessions here', /every conversation is its people’s own/],
      [`/sessions stop ${begun}`, /being stopped/],
      [`/sessions resume ${begun}`, /It is running/],
      [`/sessions open ${begun}`, /\[Open the session\]\(\/c\//],
      [`/sessions budget ${begun} 5`, /You may not raise a budget/],
      ['/approvals mine', new RegExp(approval_id)],
      [`/approvals show ${approval_id}`, /rm -rf build/],
      [`/approvals deny ${approval_id} No`, /Denied\./],
      [`/approvals approve ${approval_id}`, /already denied/],
    ];
    for (const family of ['agents', 'sessions', 'approvals']) await ana.say(id, `/${family} help`);
    for (const [text] of typed) await ana.say(id, text);
    const answers = (await seenBy(ana)).filter((one) => one.startsWith('whisper: '));
    const known = answers.splice(0, 3).flatMap((help) => [...help.matchAll(/- `(\/\w+ \w+)/g)].map(([, one]) => one));
    expect(new Set(typed.map(([text]) => /^\/\w+ \w+/.exec(text)?.[0]))).toEqual(new Set(known));
    expect(answers).toHaveLength(typed.length);
    const wrong = typed.flatMap(([text, wanted], at) => (wanted.test(answers[at] ?? '') ? [] : [[text, answers[at]]]));
    expect(wrong).toEqual([]);
  });

  it('makes an agent by its lines', async () => {
    await ana.say(id, '/agents new\nname: Scout\ninstructions: Look.\nTouch nothing.');
    const { items } = await stage.agents.list(stage.defaults.workspace_id, {});
    const scout = items.find(({ config }) => config.name === 'Scout');
    expect(scout?.config).toMatchObject({ system: 'Look.\nTouch nothing.', metadata: { deckhand_owners: 'web:ana' } });
    expect((await seenBy(ana)).at(-1)).toContain('whisper: **Scout** is there');
  });

  it('makes an agent that a message calls by its name', async () => {
    await ana.say(id, '/agents new\nname: Scout');
    await ana.say(id, '@deckhand Scout: look around');
    const { items } = await stage.sessions.list(stage.defaults.workspace_id, {});
    expect(items.map(({ agent, title }) => [agent.name, title])).toEqual([['Scout', 'Scout: look around']]);
  });

  it('is answered once, however often the page sends it', async () => {
    for (let n = 0; n < 3; n += 1) await ana.say(id, '/agents list', 'client-twice');
    expect(await seenBy(ana)).toHaveLength(2);
  });

  it('lists what waits for who asks, and decides it', async () => {
    const ref = await stage.session();
    const tool_use_id = newId('sevt');
    const approval_id = derivedId('appr', tool_use_id);
    await stage.append(ref, ...asks(approval_id, tool_use_id, { approvers: ['web:ana'] }));
    await stage.approvals.record(ref, await stage.log.read(ref));
    await ben.say(id, '/approvals');
    expect((await seenBy(ben)).at(-1)).toBe('whisper: Nothing waits for you.');
    await ana.say(id, '/approvals');
    expect((await seenBy(ana)).at(-1)).toContain(`**Run a command that deletes files (rm)** \`${approval_id}\``);
    await ana.say(id, `/approvals deny ${approval_id} Not on a Friday`);
    expect((await seenBy(ana)).at(-1)).toContain('Denied.');
    expect(await stage.entries('deckhand.approval_decided')).toMatchObject([
      { event: { outcome: 'denied', reason: 'Not on a Friday', by: { via: 'web', id: 'ana' } } },
    ]);
  });

  it('that is none is a message', async () => {
    await ana.say(id, '/agentsmith, are you there?');
    expect(await stage.refs()).toHaveLength(1);
    expect(await seenBy(ben)).toEqual(['text: /agentsmith, are you there?']);
  });
});
