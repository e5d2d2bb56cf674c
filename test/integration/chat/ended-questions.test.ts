import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApprovals } from '../../../src/approvals/approvals.ts';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createEnvironments } from '../../../src/resources/environments.ts';
import { createSessions, type SessionDeps, type Sessions } from '../../../src/resources/sessions.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { pendingOf } from '../../support/approvals.ts';
import { asks } from '../../support/chat-events.ts';
import { place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const HOUR = 3_600_000;
const OVER = 'The session has ended, so nothing need be decided.';

const stage = useChatStage();
const ben = { ...place, channel: 'D_BEN', thread: 'D_BEN' };
let platform: Platform;
let deliverer: Deliverer;
let ref: SessionRef;
let tool_use_id: string;
let approval_id: string;

/** A session that waits for Ben, who was asked in the thread and where he is. */
beforeEach(async () => {
  platform = createPlatform();
  platform.places.set('U_BEN', [ben]);
  ref = await stage.session();
  tool_use_id = newId('sevt');
  approval_id = derivedId('appr', tool_use_id);
  await stage.append(ref, ...asks(approval_id, tool_use_id, { approvers: ['test:U_BEN'], remind_after_ms: HOUR }));
  await stage.approvals.record(ref, await stage.log.read(ref));
  deliverer = stage.deliverer(platform);
  stage.wake(ref);
  await eventually(() => expect(cards()).toEqual(['pending', 'pending']));
  await eventually(async () => expect(await stage.log.undelivered(1)).toEqual([]));
});

afterEach(() => deliverer.stop());

/** What each card says of its question by now. */
function cards(): string[] {
  return platform.messages.flatMap(({ versions }) => {
    const last = versions.at(-1);
    return last?.kind === 'approval' ? [last.card.state.status] : [];
  });
}

function press(conversation = place) {
  const person = { id: 'U_BEN', name: 'Ben' };
  const decision = { event_id: newId('sevt'), conversation, person, approval_id, decision: 'allow' as const };
  return stage.receiver({ connectors: new Map([['test', platform.connector()]]) }).decision(decision);
}

async function decisions(): Promise<string[]> {
  return (await stage.entries('deckhand.approval_decided')).map(({ event }) => event.outcome);
}

async function record(): Promise<string | undefined> {
  return (await stage.approvals.find(ref.workspace_id, approval_id))?.status;
}

/** The same sessions in a process of which this is otherwise. */
function sessionsWith(over: Partial<SessionDeps>): Sessions {
  return createSessions(stage.db, {
    log: stage.log,
    agents: stage.agents,
    environments: createEnvironments(stage.db),
    hasListPrice: () => true,
    onWithdrawn: (of, entries) => stage.approvals.record(of, entries),
    onArchive: async () => undefined,
    onDelete: async () => undefined,
    ...over,
  });
}

describe('archiving a session that waits for a decision', () => {
  it('withdraws the question on every card, and nobody is asked or reminded any more', async () => {
    await stage.sessions.archive(ref);
    await eventually(() => expect(cards()).toEqual(['withdrawn', 'withdrawn']));
    expect(await pendingOf(stage.approvals, ref.workspace_id)).toEqual([]);
    stage.clock.now += HOUR;
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
    expect(await stage.entries('deckhand.approval_reminded')).toEqual([]);
    await stage.sessions.archive(ref);
    expect(await decisions()).toEqual(['withdrawn']);
  });

  it.each([
    ['in the thread', place],
    ['where he was asked', ben],
  ])('tells whoever presses a button all the same, %s, that it has ended', async (_where, conversation) => {
    await stage.sessions.archive(ref);
    expect(await press(conversation)).toEqual({ effect: 'refused', text: OVER });
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
    expect(await decisions()).toEqual(['withdrawn']);
  });

  it('counts for more than a decision that reaches the log after it', async () => {
    const late = createApprovals({
      db: stage.db,
      logger: silentLogger,
      now: async () => stage.clock.now,
      log: {
        ...stage.log,
        async append(request) {
          await stage.sessions.archive(ref);
          return stage.log.append(request);
        },
      },
    });
    const by = { via: 'test', id: 'U_BEN', name: 'Ben' };
    const decision = { tool_use_id, decision: 'allow' as const, by, in_conversation: true };
    expect(await late.decideByToolUse(ref, decision)).toMatchObject({ result: 'withdrawn', text: OVER });
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
    expect(await record()).toBe('withdrawn');
  });

  it('withdraws nothing of what was decided just before it', async () => {
    let pressed = false;
    const slow = sessionsWith({
      log: {
        ...stage.log,
        async append(request) {
          if (!pressed) expect((await press()).text).toBe('Approved.');
          pressed = true;
          return stage.log.append(request);
        },
      },
    });
    expect((await slow.archive(ref)).archived_at).not.toBeNull();
    expect(await decisions()).toEqual(['allowed']);
    await eventually(() => expect(cards()).toEqual(['allowed', 'allowed']));
  });

  it('is one write: a process that dies in it leaves it open, and one that dies after it leaves a record to follow', async () => {
    const dying = sessionsWith({ log: { ...stage.log, append: () => Promise.reject(new Error('died')) } });
    await expect(dying.archive(ref)).rejects.toThrow('died');
    expect((await stage.sessions.getSession(ref)).archived_at).toBeNull();
    const dead = sessionsWith({ onWithdrawn: () => Promise.reject(new Error('died')) });
    await expect(dead.archive(ref)).rejects.toThrow('died');
    expect((await stage.sessions.getSession(ref)).archived_at).not.toBeNull();
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
    expect(await record()).toBe('withdrawn');
    await eventually(() => expect(cards()).toEqual(['withdrawn', 'withdrawn']));
  });
});

describe('deleting a session that waits for a decision', () => {
  it('lets every card say first that it is withdrawn', async () => {
    await stage.sessions.remove(ref);
    expect(cards()).toEqual(['withdrawn', 'withdrawn']);
    await expect(stage.sessions.getSession(ref)).rejects.toThrow();
  });

  it('waits for nobody who does not show it', async () => {
    await deliverer.stop();
    const begun = performance.now();
    await stage.sessions.remove(ref);
    expect(performance.now() - begun).toBeLessThan(10_000);
    await expect(stage.sessions.getSession(ref)).rejects.toThrow();
  });
});
