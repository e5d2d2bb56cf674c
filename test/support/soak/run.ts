import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../src/errors.ts';
import { type ApiPeople, createApiPeople } from './api-people.ts';
import { unfinishedIn } from './check-slack.ts';
import type { Evidence } from './evidence.ts';
import { inject, nameOf } from './faults.ts';
import {
  gatherApprovals,
  gatherForgotten,
  gatherLeftovers,
  gatherSessions,
  gatherShown,
  gatherTraces,
  unfinished,
} from './gather.ts';
import { type Fault, type Happening, isFault, type Plan, type Step } from './plan.ts';
import { createSlackPeople, type SlackPeople } from './slack-people.ts';
import { buildStage, type Stage } from './stage.ts';

/** A step waits this long for what it wants to happen first. */
const PATIENCE_MS = 1_000;
/**
 * When nobody does anything any more, the house comes to rest. What stays as it is for this long is stuck: longer than
 * any wait of its own, of which the longest is for a chat event whose gateway died.
 */
const STUCK_MS = 90_000;
const LOOK_MS = 100;
/** Slack's last redelivery of an event is five minutes after the one before. */
const LAST_RETRY_MS = 301_000;

export interface SoakResult {
  evidence: Evidence;
  /** How often each fault was done, by its name in a report. */
  faults: Record<string, number>;
  /** SIGKILLs of workers and gateways. */
  kills: number;
  seconds: number;
}

/**
 * Carry out a plan over real processes, wait until the house rests, and gather what there is to see.
 * @param main the compiled product (compiled.ts)
 */
export async function runSoak(plan: Plan, main: string, onProgress: (line: string) => void): Promise<SoakResult> {
  const started = performance.now();
  const faults: Record<string, number> = {};
  let kills = 0;
  const count = (name: string, times = 1) => {
    faults[name] = (faults[name] ?? 0) + times;
  };

  await using stage = await buildStage(plan, main);
  const slackPeople = createSlackPeople(stage.slack, plan.seed);
  const apiPeople = createApiPeople(stage.client, stage.agents, plan.seed);
  const sessions = new Map(plan.sessions.map((session) => [session.id, session]));
  const seconds = () => Math.round((performance.now() - started) / 1000);

  const timeline: Evidence['timeline'] = [];
  const progress = setInterval(() => {
    const { journal } = stage.slack;
    onProgress(
      `${seconds()} s: step ${timeline.length} of ${plan.steps.length}, ${kills} kills, ` +
        `${stage.model.requests.length} model requests, ${journal.length} Slack calls`,
    );
  }, 5_000);
  try {
    for (const step of plan.steps) {
      await moment(stage, step);
      if (isFault(step.act)) {
        await inject(stage, step.act);
        if (!isForLater(step.act, plan)) count(nameOf(step.act));
        if (step.act.do === 'kill') kills += 1;
      } else {
        // Slack tells of an event at most four times: if nobody could hear it, nobody would have been asked anything.
        await stage.crew.reachable();
        const session = sessions.get(step.act.session);
        if (session === undefined) throw new Error(`The plan has no session ${step.act.session}`);
        (session.via === 'api' ? apiPeople : slackPeople).act(session, step.act);
      }
      timeline.push({ at: new Date().toISOString(), act: step.act });
    }
    onProgress(`${seconds()} s: every step is done; waiting for rest`);
    const unrest = await rest(stage, slackPeople, apiPeople);
    await slackPeople.stop();
    await apiPeople.stop();
    countMet(stage, count);
    for (const [fault, times] of stage.model_faults) count(`Claude: ${fault}`, times);
    const evidence = await gather(stage, slackPeople, apiPeople, { unrest, timeline });
    return { evidence, faults, kills, seconds: seconds() };
  } finally {
    clearInterval(progress);
    await slackPeople.stop();
    await apiPeople.stop();
  }
}

/** It befalls whatever comes next, and counts when it has. (What there is no socket for never does.) */
function isForLater(fault: Fault, { mode }: Plan): boolean {
  if (fault.do === 'sockets') return mode === 'http';
  return fault.do === 'slack_answer' || fault.do === 'lose_answer' || fault.do === 'event_again';
}

/** What of these was met. */
function countMet({ slack, services }: Stage, count: (name: string) => void): void {
  for (const { outcome: answer } of slack.journal) {
    if (answer === 'lost' || answer === '429' || answer === '500') {
      count(nameOf({ do: 'slack_answer', of: 'posting', answer }));
    }
  }
  for (const { service, kind } of services.outages) {
    if (kind === 'answer lost') count(nameOf({ do: 'lose_answer', service }));
  }
  const seen = new Set<string>();
  for (const { event_id, retry } of slack.outbox.attempts) {
    if (retry > 0) count(nameOf({ do: 'event_again', how: 'redelivered' }));
    else if (seen.has(event_id)) count(nameOf({ do: 'event_again', how: 'doubled' }));
    seen.add(event_id);
  }
}

/** Wait for what the step wants to come after, but not for ever: in a quiet house nothing happens. */
async function moment(stage: Stage, step: Step): Promise<void> {
  const before = happened(stage, step.when);
  const end = performance.now() + PATIENCE_MS;
  while (step.when !== 'at_once' && happened(stage, step.when) === before && performance.now() < end) await sleep(1);
  await sleep(step.delay_ms);
}

function happened({ model, slack }: Stage, what: Happening): number {
  switch (what) {
    case 'model':
      return model.requests.length;
    case 'slack':
      return slack.journal.length;
    case 'event':
      return slack.outbox.attempts.length;
    case 'at_once':
      return 0;
    default:
      return what satisfies never;
  }
}

/** Null when everything has ended that had begun; else what had not. */
async function rest(stage: Stage, slackPeople: SlackPeople, apiPeople: ApiPeople): Promise<string | null> {
  await stage.crew.ready();
  let calm = 0;
  let before = '';
  let since = performance.now();
  for (;;) {
    await stage.slack.outbox.idle();
    if (stage.slack.outbox.isBusy()) await stage.slack.clock.advance(LAST_RETRY_MS);
    const reasons = await restless(stage, slackPeople, apiPeople);
    calm = reasons.length === 0 ? calm + 1 : 0;
    // Twice, because between two looks a job may go from one place to the next.
    if (calm === 2) return null;
    const now = reasons.join('; ');
    if (now !== before) since = performance.now();
    if (performance.now() - since > STUCK_MS) return `for ${STUCK_MS / 1000} s: ${now}`;
    before = now;
    await sleep(LOOK_MS);
  }
}

async function restless(stage: Stage, slackPeople: SlackPeople, apiPeople: ApiPeople): Promise<string[]> {
  const reasons = await unfinished(stage.mongo.db(stage.database), stage.services.redis.uri);
  if (slackPeople.open().length > 0) reasons.push(`${slackPeople.open().length} cards still ask`);
  reasons.push(...unfinishedIn(gatherShown(stage.slack)));
  if (!slackPeople.isQuiet()) reasons.push('somebody in Slack waits for an answer');
  if (!apiPeople.isQuiet()) reasons.push('a client of the API waits for an answer');
  return reasons;
}

async function gather(
  stage: Stage,
  slackPeople: SlackPeople,
  apiPeople: ApiPeople,
  known: Pick<Evidence, 'unrest' | 'timeline'>,
): Promise<Evidence> {
  const db = stage.mongo.db(stage.database);
  const sessions = await gatherSessions(db);
  const evidence = {
    ...known,
    sent: [...slackPeople.sent(), ...apiPeople.sent()],
    refusals: apiPeople.refusals,
    sessions,
    approvals: await gatherApprovals(db),
    deliveries: await db.collection('deliveries').find().toArray(),
    journal: stage.slack.journal,
    presses: slackPeople.presses,
    shown: gatherShown(stage.slack),
    traces: gatherTraces(stage.crew.disks),
    messages: stage.slack.workspace.messages,
    outages: stage.services.outages,
    model_requests: stage.model.requests,
    secrets: stage.secrets,
  };
  for (const { id } of sessions) {
    await stage.client.beta.sessions.delete(id).catch((error: unknown) => {
      apiPeople.refusals.push(`${id} could not be deleted: ${messageOf(error)}`);
    });
  }
  await stage.crew.stop();
  return {
    ...evidence,
    lives: stage.crew.lives,
    leftovers: {
      ...gatherLeftovers(stage.data_dir, stage.crew.disks, stage.crew.lives),
      documents: await gatherForgotten(
        db,
        sessions.map(({ id }) => id),
      ),
    },
  };
}
