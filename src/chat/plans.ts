import type { EventOf, LogEntry, SessionEvent } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { Audiences } from './audience.ts';
import { PostRefusedError } from './connector.ts';
import type { Outgoing, PlannedCall } from './outgoing.ts';
import { deliver, type PostDeps } from './post.ts';
import { deliveryId, type RenderContext, type ToolUse } from './render-entries.ts';

/**
 * The calls of a run, in messages of so many each: a plan. Which call stands in which message follows from the log alone
 * (the first of a run begins one, and then every so many, and the first that comes when a message has grown for as long as
 * its platform lets it), so whoever goes on after a crash finds the same ones.
 *
 *   open   its run goes on. What changes is shown now and then, and before anything is posted below it for the first time.
 *   over   the run is over: shown for the last time.
 *   lost   the platform does not take it; the calls are in the log, and the answer says what came of them.
 */
interface Plan {
  delivery_id: string;
  calls: PlannedCall[];
  /** When the first of them was made. */
  since: Date;
  state: 'open' | 'over' | 'lost';
  /** The first entry that is not shown in it; null when all are. */
  unshown_from: number | null;
  isPosted: boolean;
  shown_at: number;
}

export interface Plans {
  /** Take in what an entry says of a call or of the end of a run. */
  take(entry: LogEntry): Promise<void>;
  /** Show what is due; with `all`, everything. */
  show(which: 'due' | 'unposted' | 'all'): Promise<void>;
  /** The first entry that is not shown yet: whoever goes on after a crash must begin there. */
  readonly unshown_from: number | null;
  /** How long until something is due; null when nothing is. */
  readonly due_in_ms: number | null;
}

export interface PlansDeps extends PostDeps {
  log: Pick<SessionLog, 'query'>;
  ref: SessionRef;
  audiences: Pick<Audiences, 'now'>;
  context: RenderContext;
  /** Calls of one message. */
  size: number;
}

const USES = ['agent.tool_use', 'agent.mcp_tool_use', 'agent.custom_tool_use'] as const;
/** Entries of one look back. Inputs may be heavy. */
const PAGE = 50;
/** What an activity's line is made of; a platform takes less. */
const DETAIL = 300;

const NO_PLANS: Plans = {
  take: async () => undefined,
  show: async () => undefined,
  unshown_from: null,
  due_in_ms: null,
};

/** Nothing where the platform shows no plans. */
export function createPlans(deps: Omit<PlansDeps, 'size'>): Plans {
  const { plan_size: size } = deps.connector.limits;
  return size === undefined ? NO_PLANS : shownPlans({ ...deps, size });
}

function shownPlans(deps: PlansDeps): Plans {
  /** Of the run that goes on, oldest first. */
  let plans: Plan[] = [];
  /** What came before in this run is in `plans`. */
  let isKnown = false;

  async function take(entry: LogEntry): Promise<void> {
    const { event } = entry;
    switch (event.type) {
      case 'agent.tool_use':
      case 'agent.mcp_tool_use':
      case 'agent.custom_tool_use':
        await recall(entry);
        return begin(entry, event);
      case 'deckhand.tool_started':
        for (const id of event.tool_use_ids) await change(entry, id, started);
        return;
      case 'agent.tool_result':
        return change(entry, event.tool_use_id, (call) => ended(call, event, deps.context));
      case 'agent.mcp_tool_result':
        return change(entry, event.mcp_tool_use_id, (call) => ended(call, event, deps.context));
      case 'user.custom_tool_result':
        return change(entry, event.custom_tool_use_id, (call) => ended(call, event, deps.context));
      case 'session.status_idle':
      case 'session.status_terminated':
        await recall(entry);
        if (endsRun(event)) close(entry);
        return;
      default:
    }
  }

  /** A call that is made at `at` has no place in it. */
  function isFull({ since, calls }: Pick<Plan, 'since'> & { calls: { length: number } }, at: Date): boolean {
    const { grows_for_ms: most = Number.POSITIVE_INFINITY } = deps.context;
    return calls.length >= deps.size || at.getTime() - since.getTime() >= most;
  }

  function begin({ seq, created_at }: LogEntry, event: ToolUse): void {
    if (plans.some(({ calls }) => calls.some((call) => call.id === event.id))) return;
    let plan = plans.at(-1);
    if (plan === undefined || isFull(plan, created_at)) {
      if (plan !== undefined) touch(plan, seq);
      plan = newPlan(deliveryId(event.id), created_at);
      plans.push(plan);
    }
    plan.calls.push(callOf(event, deps.context));
    touch(plan, seq);
  }

  async function change(entry: LogEntry, id: string, next: (call: PlannedCall) => PlannedCall): Promise<void> {
    await recall(entry);
    for (const plan of plans) {
      const at = plan.calls.findIndex((call) => call.id === id);
      const call = plan.calls[at];
      if (call === undefined) continue;
      const after = next(call);
      // What is read again changes nothing.
      if (after.status !== call.status) touch(plan, entry.seq);
      plan.calls[at] = after;
    }
  }

  function close({ seq }: LogEntry): void {
    plans = plans.filter((plan) => plan.state !== 'lost');
    for (const plan of plans) {
      touch(plan, seq);
      plan.state = 'over';
    }
  }

  /** What this run showed before this gateway came: which calls from the log, how they stood from the store. */
  async function recall({ seq }: LogEntry): Promise<void> {
    if (isKnown) return;
    let group: { since: Date; calls: { length: number } } | null = null;
    for (const { id, at } of await callsBefore(deps, seq)) {
      if (group !== null && !isFull(group, at)) {
        group.calls.length += 1;
        continue;
      }
      group = { since: at, calls: { length: 1 } };
      const plan = newPlan(deliveryId(id), at);
      const stored = await deps.store.get(plan.delivery_id);
      if (stored?.outgoing.kind !== 'plan') continue;
      const state = stored.state === 'failed' ? 'lost' : 'open';
      plans.push({ ...plan, state, calls: [...stored.outgoing.calls], isPosted: true });
    }
    isKnown = true;
  }

  async function show(which: 'due' | 'unposted' | 'all'): Promise<void> {
    for (const plan of plans) {
      if (plan.unshown_from === null || plan.state === 'lost') continue;
      if (which === 'unposted' ? plan.isPosted : which === 'due' && !isDue(plan)) continue;
      await showPlan(plan, plan === plans.at(-1));
    }
    if (plans.every((plan) => plan.state !== 'open' && plan.unshown_from === null)) plans = [];
  }

  async function showPlan(plan: Plan, isLast: boolean): Promise<void> {
    const audience = await deps.audiences.now();
    const outgoing: Outgoing = {
      kind: 'plan',
      delivery_id: plan.delivery_id,
      calls: [...plan.calls],
      // Nothing more comes to one that is full, or whose run waits for a person.
      live: isLast && plan.state === 'open' && !plan.calls.some((call) => call.status === 'waiting'),
      over: plan.state === 'over',
      ...(audience !== undefined && { audience }),
      agent_name: deps.context.agent_name,
    };
    try {
      await deliver(deps, outgoing);
    } catch (error) {
      if (!(error instanceof PostRefusedError)) throw error;
      const facts = { session_id: deps.session_id, delivery_id: plan.delivery_id, reason: error.reason };
      deps.logger.warn(facts, 'the platform refused a plan');
      await deps.store.record(plan.delivery_id, { state: 'failed' });
      plan.state = 'lost';
    }
    plan.unshown_from = null;
    plan.isPosted = true;
    plan.shown_at = performance.now();
  }

  function isDue(plan: Plan): boolean {
    return dueIn(plan) === 0;
  }

  function dueIn(plan: Plan): number {
    return Math.max(0, plan.shown_at + deps.connector.limits.edit_interval_ms - performance.now());
  }

  const unshown = () => plans.filter((plan) => plan.unshown_from !== null && plan.state !== 'lost');

  return {
    take,
    show,
    get unshown_from() {
      const from = unshown().map((plan) => plan.unshown_from ?? 0);
      return from.length === 0 ? null : Math.min(...from);
    },
    get due_in_ms() {
      const waits = unshown().map(dueIn);
      return waits.length === 0 ? null : Math.min(...waits);
    },
  };
}

function newPlan(delivery_id: string, since: Date): Plan {
  return {
    delivery_id,
    calls: [],
    since,
    state: 'open',
    unshown_from: null,
    isPosted: false,
    shown_at: Number.NEGATIVE_INFINITY,
  };
}

function touch(plan: Plan, seq: number): void {
  plan.unshown_from ??= seq;
}

/** The calls of the run that goes on at `seq`, oldest first. */
async function callsBefore({ log, ref }: PlansDeps, seq: number): Promise<{ id: string; at: Date }[]> {
  const calls: { id: string; at: Date }[] = [];
  const types = [...USES, 'session.status_idle', 'session.status_terminated'] as const;
  // Mostly the one before is the end of another run.
  for (let before_seq = seq, limit = 1; ; limit = PAGE) {
    const page = await log.query({ ...ref, types: [...types], before_seq, order: 'desc', limit });
    for (const { event, created_at: at } of page) {
      if (endsRun(event)) return calls.reverse();
      if (isUse(event)) calls.push({ id: event.id, at });
    }
    const last = page.at(-1);
    if (last === undefined) return calls.reverse();
    before_seq = last.seq;
  }
}

function isUse(event: SessionEvent): event is ToolUse {
  return USES.some((type) => type === event.type);
}

function endsRun(event: SessionEvent): boolean {
  if (event.type === 'session.status_terminated') return true;
  return event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action';
}

function callOf(event: ToolUse, context: RenderContext): PlannedCall {
  const { title, detail } = context.describe(event.name, event.input);
  const waits = event.type === 'agent.custom_tool_use' || event.evaluated_permission === 'ask';
  // Its card says what it is, to those who may see it.
  const shown = waits ? '' : clipped(detail);
  return { id: event.id, title, detail: shown, status: waits ? 'waiting' : 'running', output: '' };
}

function started(call: PlannedCall): PlannedCall {
  return call.status === 'waiting' ? { ...call, status: 'running' } : call;
}

/** What went wrong is worth a line; what went well, the answer says. */
function ended(
  call: PlannedCall,
  { content, is_error }: Pick<EventOf<'agent.tool_result'>, 'content' | 'is_error'>,
  { private_detail }: RenderContext,
): PlannedCall {
  if (is_error !== true) return { ...call, status: 'done' };
  const output = (content ?? []).map((block) => (block.type === 'text' ? block.text : '')).join('\n');
  const status = output.startsWith('Denied by') ? 'denied' : 'failed';
  return { ...call, status, output: private_detail ? '' : clipped(output) };
}

function clipped(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length <= DETAIL ? line : `${line.slice(0, DETAIL - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
