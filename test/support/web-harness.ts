import type { Connector } from '../../src/chat/connector.ts';
import type { Receiver } from '../../src/chat/inbound.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { ConnectorHarness, HarnessPerson } from '../contract/connector-harness.ts';
import { renderMessage } from './rendered.ts';
import { testDatabase } from './services.ts';
import { createWebClient, nextClientId, type WebClient } from './web-client.ts';
import { startWebServer } from './web-server.ts';

/** People at the web page, without a browser: what they send goes over HTTP, what they see is what the page draws. */
export async function startWebHarness(receiver: Receiver): Promise<ConnectorHarness> {
  const database = await testDatabase();
  const server = await startWebServer(database.db, receiver);
  const clients = new Map<string, WebClient>();
  /** What the page told each person in answer to a click. */
  const answers = new Map<string, string[]>();
  let last: (() => Promise<unknown>) | null = null;
  let losesNext = false;

  async function clientOf(name: string): Promise<WebClient> {
    const known = clients.get(name);
    if (known !== undefined) return known;
    const client = createWebClient(server.url);
    await client.signIn(name);
    clients.set(name, client);
    return client;
  }

  const connector: Connector = {
    ...server.connector,
    async post(conversation, outgoing, signal) {
      const ref = await server.connector.post(conversation, outgoing, signal);
      if (!losesNext) return ref;
      losesNext = false;
      throw new Error('The connection was lost before the answer came');
    },
  };

  function person(name: string): HarnessPerson {
    return {
      async says(text, { in: key } = {}) {
        const client = await clientOf(name);
        const conversation = key?.thread ?? (await client.begin()).id;
        const clientId = nextClientId();
        last = () => client.say(conversation, text, clientId);
        await last();
      },
      async clicks(approvalId, decision, key, reason) {
        const client = await clientOf(name);
        const told = await client.decide(key.thread, approvalId, decision, reason).then(
          (receipt) => receipt.text,
          (error: unknown) => String(error),
        );
        if (told !== null) answers.set(name, [...(answers.get(name) ?? []), told]);
      },
    };
  }

  return {
    connector,
    person,
    async visibleTo(name: string, key: ConversationKey) {
      const { messages } = await (await clientOf(name)).open(key.thread);
      return [
        ...messages.map((message) => ({
          ...renderMessage(message),
          private: message.body.kind === 'whisper',
          from_bot: message.author.kind === 'agent',
        })),
        ...(answers.get(name) ?? []).map((text) => ({ text, buttons: [], private: true, from_bot: true })),
      ];
    },
    async redeliverLast() {
      await last?.();
    },
    faults: {
      loseNextResponse() {
        losesNext = true;
      },
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
