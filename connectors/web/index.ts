import { setTimeout as delay } from 'node:timers/promises';
import express, { Router } from 'express';
import type { Db } from 'mongodb';
import { type Connector, PostRefusedError } from '../../src/chat/connector.ts';
import type { Receiver } from '../../src/chat/inbound.ts';
import type { Logger } from '../../src/logger.ts';
import { conversationIdOf } from './conversation-id.ts';
import { createConversationRouter } from './conversation-routes.ts';
import { createConversationStore } from './conversation-store.ts';
import type { EventStream } from './event-stream.ts';
import { defaultExamples } from './examples.ts';
import { createGuard } from './guard.ts';
import { createBell, type Hints } from './hints.ts';
import { createLiveText } from './live-text.ts';
import type { MessageDocument } from './message-document.ts';
import { createMessageRouter, handOn } from './message-routes.ts';
import { createMessageStore } from './message-store.ts';
import { createPageRouter, securityHeaders } from './page.ts';
import { createErrorHandler, Refusal } from './refusal.ts';
import { renderBody } from './render.ts';
import { createSessionRouter, requirePerson } from './session-routes.ts';
import { createSignIns } from './sign-in.ts';
import { createStreamRouter } from './stream-routes.ts';
import type { WebDeps } from './web-deps.ts';
import type { AgentChoice, Example } from './wire.ts';

export interface WebConnectorOptions {
  db: Db;
  /** Shared by all gateways, so that a post made by one reaches the pages of another. */
  hints: Hints;
  /** The agents a person may pick, the default one first. */
  agents: () => Promise<AgentChoice[]>;
  verifyKey(key: string): Promise<boolean>;
  /** A name alone signs in. Only where the server listens on loopback; other hosts and peers are then refused. */
  open_sign_in: boolean;
  workspace_id: string;
  logger: Logger;
  /** A scripted stand-in answers instead of Claude; the page says so. */
  standIn: boolean;
  /** Where `npm run build` put the page: `console/dist`. */
  page_dir: string;
  examples?: Example[];
}

/** Longest text of one message. The page would draw more; this keeps one edit of a live text cheap. */
const TEXT_LIMIT = 32_000;
const EDIT_INTERVAL_MS = 100;
/** A person's message still not received after this belongs to a process that died. */
const UNRECEIVED_AFTER_MS = 60_000;

/**
 * The web chat: the page, its JSON API and event stream under `/web`, and the connector behind them. Messages live in
 * MongoDB (`web_conversations`, `web_messages`, `web_sign_ins`); any number of gateways may serve the same ones.
 */
export function createWebConnector(options: WebConnectorOptions): Connector & { router: Router } {
  const { db, workspace_id, logger } = options;
  const conversations = createConversationStore(db, workspace_id);
  const messages = createMessageStore(db, workspace_id);
  const signIns = createSignIns(db, workspace_id);
  const bell = createBell(options.hints, workspace_id, logger);
  const streams = new Set<EventStream>();
  const inFlight = new Set<Promise<unknown>>();
  let receiver: Receiver | null = null;
  let isLeaving = false;

  const deps: WebDeps = {
    conversations,
    messages,
    signIns,
    bell,
    logger,
    agents: options.agents,
    verifyKey: (key) => options.verifyKey(key),
    key_required: !options.open_sign_in,
    stand_in: options.standIn,
    examples: options.examples ?? defaultExamples,
    receiver: () => receiver ?? unavailable(),
    isLeaving: () => isLeaving,
  };

  const live = createLiveText({
    async store(ref, conversationId, markdown) {
      const stored = await messages.setLiveText(conversationId, ref, markdown);
      if (stored === null) throw new PostRefusedError('message_not_found');
      bell.ring(conversationId, { type: 'changed', revision: stored.revision });
    },
    publish: (ref, conversationId, from, text) =>
      bell.ring(conversationId, { type: 'delta', delta: { message_id: ref, from, text } }),
    onError: (err) => logger.warn({ err }, 'live text not stored'),
  });

  /** Remembers work that `stop` must wait for. */
  function track<T>(work: Promise<T>): Promise<T> {
    inFlight.add(work);
    const forget = () => inFlight.delete(work);
    work.then(forget, forget);
    return work;
  }

  async function show(stored: MessageDocument): Promise<void> {
    const id = stored.conversation_id;
    bell.ring(id, { type: 'changed', revision: stored.revision });
    if (stored.body.kind !== 'approval') return;
    const summary = await conversations.setWaiting(id, await messages.countPendingApprovals(id));
    if (summary) bell.announce(summary);
  }

  async function receiveLeftovers(to: Receiver): Promise<void> {
    for (const message of await messages.unreceived(new Date(Date.now() - UNRECEIVED_AFTER_MS))) {
      await handOn({ ...deps, receiver: () => to }, message);
    }
  }

  return {
    name: 'web',
    limits: { text: TEXT_LIMIT, edit_interval_ms: EDIT_INTERVAL_MS, post_interval_ms: 0 },
    shows_activity: true,
    closed_conversations: true,
    router: createRouter(deps, options.page_dir, options.open_sign_in, streams, track),

    async start(to) {
      await Promise.all([conversations.createIndexes(), messages.createIndexes(), signIns.createIndexes()]);
      receiver = to;
      isLeaving = false;
      track(receiveLeftovers(to)).catch((err: unknown) => logger.error({ err }, 'unreceived messages not handed on'));
    },

    async stop(patience_ms) {
      isLeaving = true;
      for (const stream of streams) stream.close();
      const done = Promise.allSettled(inFlight).then(() => live.flush());
      const late = new AbortController();
      await Promise.race([done, delay(patience_ms, undefined, { signal: late.signal }).catch(() => undefined)]);
      late.abort();
      receiver = null;
    },

    nameOf: async (person) => person.name,
    readable: async (text) => text,

    async post(conversation, outgoing, signal) {
      signal.throwIfAborted();
      const id = conversationIdOf(conversation);
      refuseTooLong(outgoing);
      const summary = await conversations.touch(id);
      if (summary === null) throw new PostRefusedError('conversation_not_found');
      const stored = await messages.add(id, {
        delivery_id: outgoing.delivery_id,
        author: { kind: 'agent', name: outgoing.agent_name },
        body: renderBody(id, outgoing),
      });
      await show(stored);
      if (outgoing.kind !== 'approval') bell.announce(summary);
      return stored._id;
    },

    async edit(conversation, ref, outgoing, signal) {
      signal.throwIfAborted();
      const id = conversationIdOf(conversation);
      refuseTooLong(outgoing);
      if (outgoing.kind === 'text' && outgoing.live) {
        await live.update(ref, id, outgoing.markdown);
        return;
      }
      await live.end(ref);
      const stored = await messages.setBody(id, ref, renderBody(id, outgoing));
      if (stored === null) throw new PostRefusedError('message_not_found');
      await show(stored);
    },

    async find(conversation, deliveryId, signal) {
      signal.throwIfAborted();
      const found = await messages.findDelivery(conversationIdOf(conversation), deliveryId);
      return found?._id ?? null;
    },

    async setStatus(conversation, status, signal) {
      signal.throwIfAborted();
      const summary = await conversations.setStatus(
        conversationIdOf(conversation),
        'text' in status ? status.text : null,
      );
      if (summary) bell.announce(summary);
    },

    linkTo: (conversation) => `/c/${conversationIdOf(conversation)}`,

    async whisper(conversation, person, markdown, signal) {
      signal.throwIfAborted();
      const id = conversationIdOf(conversation);
      const stored = await messages.add(id, {
        author: { kind: 'agent', name: 'Deckhand' },
        audience: person.id,
        body: { kind: 'whisper', markdown },
      });
      bell.ring(id, { type: 'changed', revision: stored.revision });
    },
  };
}

function createRouter(
  deps: WebDeps,
  pageDir: string,
  loopbackOnly: boolean,
  streams: Set<EventStream>,
  track: <T>(work: Promise<T>) => Promise<T>,
): Router {
  const guard = createGuard(loopbackOnly);
  const api = Router();
  api.use(securityHeaders, guard, express.json({ limit: '512kb' }));
  api.use((_request, response, next) => {
    response.set('cache-control', 'no-store');
    if (deps.isLeaving()) unavailable();
    // Answered, or given up by the browser.
    void track(new Promise((resolve) => response.once('close', resolve)));
    next();
  });
  api.use(createSessionRouter(deps));
  api.use(requirePerson(deps));
  api.use(createConversationRouter(deps), createMessageRouter(deps), createStreamRouter(deps, streams));
  api.use(() => {
    throw new Refusal(404, 'not_found', 'There is nothing at this address.');
  });

  const router = Router();
  router.use('/web', api);
  router.use(createPageRouter(pageDir, guard));
  router.use(createErrorHandler(deps.logger));
  return router;
}

function refuseTooLong(outgoing: Parameters<Connector['post']>[1]): void {
  if ('markdown' in outgoing && outgoing.markdown.length > TEXT_LIMIT) throw new PostRefusedError('text_too_long');
}

function unavailable(): never {
  throw new Refusal(503, 'unavailable', 'Deckhand is starting or stopping. Try again shortly.');
}
