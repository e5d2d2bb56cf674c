import { afterEach, beforeEach, expect } from 'vitest';
import type { Deliverer } from '../../src/chat/deliver.ts';
import type { SessionRef } from '../../src/session/log.ts';
import type { ChatStage } from './chat-stage.ts';
import { eachTests } from './each-test.ts';
import { eventually } from './eventually.ts';
import { createPlatform, type Platform } from './fake-connector.ts';
import { useChatStage } from './use-chat-stage.ts';

/** A session that is shown on a platform while its texts are being written. */
export interface LiveStage {
  stage: ChatStage;
  platform: Platform;
  ref: SessionRef;
  gateway(name?: string, over?: Parameters<ChatStage['deliverer']>[2]): Deliverer;
  /** What the conversation comes to. */
  shows(texts: unknown[]): Promise<void>;
  /** The turn has begun and the gateway watches it: what is said from here on is heard. */
  begun(): Promise<void>;
  /** Says how many gateways heard it. */
  starts(id: string): Promise<number>;
  grows(event_id: string, text: string): Promise<unknown>;
  drops(event_id: string): Promise<unknown>;
  /** Whichever gateway shows the session, its lease has run out. */
  leaseRunsOut(): Promise<void>;
}

/** A live stage of its own for each test; its gateways are stopped after it. */
export function useLiveStage(): LiveStage {
  const stage = useChatStage();
  let live: LiveStage;
  let running: Deliverer[];

  beforeEach(async () => {
    running = [];
    live = liveStage(stage, await stage.session(), running);
  });

  afterEach(async () => {
    await Promise.all(running.map((deliverer) => deliverer.stop()));
  });

  return eachTests(() => live);
}

function liveStage(stage: ChatStage, ref: SessionRef, running: Deliverer[]): LiveStage {
  const platform = createPlatform();
  return {
    stage,
    platform,
    ref,
    gateway(name = 'gateway_1', over = {}) {
      const deliverer = stage.deliverer(platform, name, over);
      running.push(deliverer);
      return deliverer;
    },
    shows: (texts) => eventually(() => expect(platform.texts()).toEqual(texts)),
    async begun() {
      await stage.append(ref, { type: 'session.status_running' });
      await eventually(() => expect(platform.calls).toContain('status Thinking…'));
    },
    starts: (id) => stage.preview(ref, { type: 'event_start', event: { type: 'agent.message', id } }),
    grows(event_id, text) {
      const content = { type: 'text' as const, text };
      return stage.preview(ref, { type: 'event_delta', event_id, delta: { type: 'content_delta', index: 0, content } });
    },
    drops: (event_id) => stage.preview(ref, { type: 'preview_dropped', event_id }),
    async leaseRunsOut() {
      await stage.db
        .collection<{ _id: string; until: Date | null }>('delivery_cursors')
        .updateOne({ _id: ref.session_id }, { $set: { until: null } });
    },
  };
}
