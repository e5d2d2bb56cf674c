import type { LRUCache } from 'lru-cache';
import type { EventOf, LogEntry } from '../session/event.ts';
import { redraw, showEscalation, showQuestion, showReminder } from './approval-delivery.ts';
import type { Audiences } from './audience.ts';
import { type Connector, PostRefusedError } from './connector.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import { brokenOff, withoutBeginning } from './leftovers.ts';
import type { Live } from './live.ts';
import type { Outgoing } from './outgoing.ts';
import type { Plans } from './plans.ts';
import { deliverLive, edit, find } from './post.ts';
import {
  activityAfter,
  activityPost,
  budgetSaid,
  deliveryId,
  endingOf,
  messagePosts,
  notice,
  outputPost,
  partsOf,
  type RenderContext,
  standIn,
  type ToolUse,
} from './render-entries.ts';
import { replyOf } from './reply-of.ts';
import { cutsOf, growingCuts } from './segments.ts';
import { send } from './send.ts';
import type { ApprovalShowDeps } from './shown-cards.ts';
import type { StatusLine } from './status-line.ts';
import { insteadOf } from './withheld.ts';

export interface ShowDeps extends ApprovalShowDeps {
  store: DeliveryStore;
  connector: Connector;
  /** Milliseconds since the epoch. */
  now: () => number;
  live: Live;
  audiences: Audiences;
  status: StatusLine;
  plans: Plans;
  /** The reply whose message comes next: whether the run ends with it. Null: it stands before what is shown here. */
  reply: { ends: boolean | null };
  /** What calls that were shown lately are called, by the id of their event. */
  titles: LRUCache<string, string>;
  context: RenderContext;
}

/** What of one run its ending looks back at; a run has fewer of these. */
const LOOK_BACK = 200;

/** Show what this entry means to people, if anything. Repeating it changes nothing. */
export async function showEntry(deps: ShowDeps, entry: LogEntry): Promise<void> {
  const { event } = entry;
  const { context } = deps;
  deps.audiences.take(entry);
  await deps.plans.take(entry);
  switch (event.type) {
    case 'agent.message':
      deps.live.settle(event.id);
      await showMessage(deps, { ...entry, event });
      return breakOff(deps, withoutBeginning(await deps.store.live(deps.session_id)));
    case 'deckhand.model_reply':
      deps.reply.ends = event.stop_reason === 'end_turn';
      return;
    case 'agent.tool_use':
    case 'agent.mcp_tool_use':
    case 'agent.custom_tool_use':
      // First, because a new message ends what the status says.
      await deps.plans.show('unposted');
      await deps.status.set({ state: 'working', text: titleOf(deps, event) });
      if (deps.connector.shows_activity) await send(deps, activityPost(event, context));
      return;
    case 'agent.tool_result':
      return endActivity(deps, event.tool_use_id, event.content, event.is_error === true);
    case 'agent.mcp_tool_result':
      return endActivity(deps, event.mcp_tool_use_id, event.content, event.is_error === true);
    case 'user.custom_tool_result':
      return endActivity(deps, event.custom_tool_use_id, event.content, event.is_error === true);
    case 'deckhand.tool_started':
      for (const id of event.tool_use_ids) await beginActivity(deps, id);
      return;
    case 'deckhand.approval_requested':
      return showQuestion(deps, { ...entry, event });
    case 'deckhand.approval_reminded':
      return showReminder(deps, event);
    case 'deckhand.approval_escalated':
      return showEscalation(deps, event);
    case 'deckhand.approval_voted':
    case 'deckhand.approval_decided':
      return redraw(deps, event);
    case 'deckhand.run_ending':
      return deps.status.set({ state: 'working', text: 'Storing files…' });
    case 'deckhand.output_shared':
      return send(deps, outputPost(event, context));
    case 'deckhand.output_withheld':
      return send(deps, notice(event.id, 'info', event.text, context));
    case 'deckhand.session_resumed':
      return send(deps, notice(event.id, 'info', `Resumed by ${entry.by?.name ?? 'a person'}.`, context));
    case 'session.updated':
      return showChange(deps, { ...entry, event });
    case 'session.status_running':
      return deps.status.set({ state: 'working', text: 'Thinking…' });
    case 'session.error':
      if (event.error.retry_status.type === 'retrying') {
        return deps.status.set({ state: 'working', text: `${event.error.message} Trying again…` });
      }
      return send(deps, notice(event.id, 'error', event.error.message, context));
    case 'session.status_idle':
      return showEnding(deps, entry, event);
    case 'session.status_terminated':
      await deps.plans.show('all');
      await deps.status.set({ state: 'ended' });
      return send(
        deps,
        notice(event.id, 'error', 'This session has ended. Mention me again to start a new one.', context),
      );
    default:
      return;
  }
}

async function showMessage(deps: ShowDeps, entry: LogEntry & { event: EventOf<'agent.message'> }): Promise<void> {
  const { event } = entry;
  const instead = deps.context.private_detail ? await insteadOf(deps, entry) : null;
  if (instead !== null) return send(deps, standIn(event.id, instead, deps.context));
  // Whoever showed the session before may have come as far as the reply, and not as far as its message.
  deps.reply.ends ??= (await replyOf(deps, entry))?.stop_reason === 'end_turn';
  const answers = deps.reply.ends ? deps.session_id : null;
  for (const post of messagePosts(event, deps.context, answers, await cutsOf(deps, event.id))) await send(deps, post);
}

/** Show what has been written since the last time: the growing message and the output of running tools. */
export async function showLive(deps: ShowDeps): Promise<void> {
  const { context } = deps;
  const text = deps.live.takeText();
  if (text !== null && text.text.trim() !== '') {
    const { parts } = partsOf(text.text, context, await growingCuts(deps, text));
    const audience = await deps.audiences.now();
    const to = { agent_name: context.agent_name, ...(audience !== undefined && { audience }) };
    for (const [part, markdown] of parts.entries()) {
      const delivery_id = deliveryId(text.message_id, part);
      const live = part === parts.length - 1;
      const outgoing = { kind: 'text' as const, delivery_id, markdown, live, ...to };
      if (await showPart(deps, outgoing)) continue;
      deps.live.settle(text.message_id);
      break;
    }
  }
  for (const { tool_use_id, output } of deps.live.takeOutputs()) {
    const shown = await deps.store.get(deliveryId(tool_use_id));
    if (shown?.outgoing.kind !== 'activity' || !isOpen(shown.outgoing.activity.status)) continue;
    const activity = { ...shown.outgoing.activity, status: 'running' as const, output };
    await send(deps, { ...shown.outgoing, activity });
  }
}

/** How often a growing text is stored: what of it stands when its gateway dies is at most this much older. */
const STORE_MS = 5_000;

/**
 * A part of a growing text. Most of its edits are only shown; a platform that refuses one gets the whole text later.
 * False: the text is over, and nothing more of it is to be shown.
 */
async function showPart(deps: ShowDeps, outgoing: Extract<Outgoing, { kind: 'text' }>): Promise<boolean> {
  const { delivery_id, markdown, live } = outgoing;
  const { posts } = deps.live;
  const known = posts.get(delivery_id);
  if (known !== undefined && known.markdown === markdown && known.live === live) return true;
  const now = performance.now();
  try {
    if (known !== undefined && live) {
      await edit(deps, known.ref, outgoing);
      const isDue = now - known.stored_at >= STORE_MS;
      if (isDue) await deps.store.record(delivery_id, { state: 'live', outgoing });
      posts.set(delivery_id, { ...known, markdown, stored_at: isDue ? now : known.stored_at });
    } else {
      const shown = await deliverLive(deps, outgoing);
      if (shown === null) return false;
      posts.set(delivery_id, { ...shown, markdown, live, stored_at: now });
    }
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    deps.logger.debug({ session_id: deps.session_id, delivery_id, reason: error.reason }, 'live text refused');
  }
  return true;
}

/** A call that somebody approved begins after the wait: say so, also before it prints anything. */
async function beginActivity(deps: ShowDeps, tool_use_id: string): Promise<void> {
  const title = deps.titles.get(tool_use_id) ?? (await loggedTitle(deps, tool_use_id));
  if (title === null) return;
  await deps.status.set({ state: 'working', text: title });
  if (!deps.connector.shows_activity) return;
  const shown = await deps.store.get(deliveryId(tool_use_id));
  if (shown?.outgoing.kind !== 'activity' || shown.outgoing.activity.status !== 'waiting') return;
  await send(deps, { ...shown.outgoing, activity: { ...shown.outgoing.activity, status: 'running' } });
}

function titleOf(deps: ShowDeps, { id, name, input }: Pick<ToolUse, 'id' | 'name' | 'input'>): string {
  const { title } = deps.context.describe(name, input);
  deps.titles.set(id, title);
  return title;
}

/** For a call that was shown before this gateway took over. */
async function loggedTitle(deps: ShowDeps, tool_use_id: string): Promise<string | null> {
  const calls = await deps.log.query({ ...deps.ref, types: ['agent.tool_use'], order: 'desc', limit: LOOK_BACK });
  const call = calls.find((entry) => entry.event.id === tool_use_id)?.event;
  return call?.type === 'agent.tool_use' ? titleOf(deps, call) : null;
}

async function endActivity(deps: ShowDeps, tool_use_id: string, content: unknown, isError: boolean): Promise<void> {
  deps.live.settle(tool_use_id);
  await deps.status.set({ state: 'working', text: 'Thinking…' });
  if (!deps.connector.shows_activity) return;
  const shown = await deps.store.get(deliveryId(tool_use_id));
  if (shown?.outgoing.kind !== 'activity') return;
  const activity = activityAfter(shown.outgoing.activity, content, isError, deps.context);
  await send(deps, { ...shown.outgoing, activity });
}

function isOpen(state: string): boolean {
  return state === 'running' || state === 'waiting';
}

/** Who let it spend more, for all who are there: it goes on by itself. */
async function showChange(deps: ShowDeps, entry: LogEntry & { event: EventOf<'session.updated'> }): Promise<void> {
  const said = budgetSaid(entry);
  if (said !== null) await send(deps, notice(entry.event.id, 'info', said, deps.context));
}

async function showEnding(deps: ShowDeps, entry: LogEntry, idle: EventOf<'session.status_idle'>): Promise<void> {
  const run = await runBefore(deps, entry);
  const ending = endingOf(deps.session_id, idle, run);
  await deps.plans.show('all');
  await breakOff(deps, await deps.store.live(deps.session_id));
  if (ending !== null) await send(deps, notice(idle.id, ending.level, ending.text, deps.context));
  const waits = idle.stop_reason.type === 'requires_action';
  await deps.status.set(waits ? { state: 'asking', text: 'Waiting for a person' } : { state: 'resting' });
}

/** What was said in the run that ends with `entry`, newest first. */
async function runBefore(deps: ShowDeps, entry: LogEntry): Promise<LogEntry[]> {
  const entries = await deps.log.query({
    ...deps.ref,
    types: ['user.message', 'user.interrupt', 'agent.message', 'session.error'],
    before_seq: entry.seq,
    order: 'desc',
    limit: LOOK_BACK,
  });
  const start = entries.findIndex(({ event }) => event.type === 'user.message');
  return start === -1 ? entries : entries.slice(0, start);
}

/** Live posts whose text never came, and no other took their places: say so in each. */
async function breakOff(deps: ShowDeps, left: readonly Delivery[]): Promise<void> {
  for (const { _id, ref, outgoing, claimed_at } of left) {
    if (outgoing.kind !== 'text') continue;
    if (ref === null && (await find(deps, { _id, claimed_at })) === null) {
      // Its process died before it was posted: there is nothing to finish.
      await deps.store.record(_id, { state: 'failed' });
      continue;
    }
    await send(deps, brokenOff(outgoing, deps.context.text_limit));
  }
}
