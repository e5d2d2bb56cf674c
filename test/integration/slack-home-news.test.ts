import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REST_MS } from '../../connectors/slack/homes.ts';
import { createSlackConnector, type SlackConnector } from '../../connectors/slack/index.ts';
import type { Deliverer } from '../../src/chat/deliver.ts';
import type { Overview, Receiver } from '../../src/chat/inbound.ts';
import type { ApprovalPolicy } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { asks, ends, says } from '../support/chat-events.ts';
import { deferred } from '../support/deferred.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { slackOptions } from '../support/slack/harness.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import { userGroup } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

/** Longer than a test makes pass by itself. */
const DAYS_S = 864_000;

const stage = useChatStage();
let slack: SlackServer;
let ana: SlackPerson;
let ben: SlackPerson;
let gateways: Gateway[];

/** One of several that share a database. */
interface Gateway {
  connector: SlackConnector;
  deliverer: Deliverer;
  /** How it looks after people; a test may put something else in its place. */
  overview: Receiver['overview'];
  /** It is gone, whatever it was at. */
  dies(): Promise<void>;
}

async function gateway(): Promise<Gateway> {
  const name = `gateway_${gateways.length + 1}`;
  const connector = createSlackConnector(slackOptions(slack, { db: stage.db }));
  const connectors = new Map([['slack', connector]]);
  const deliverer = stage.deliverer(createPlatform(), name, { connectors });
  const { service } = stage.receiver({ connectors });
  const started: Gateway = {
    connector,
    deliverer,
    overview: service.overview,
    async dies() {
      gateways = gateways.filter((one) => one !== started);
      await connector.stop(0);
      await deliverer.stop();
    },
  };
  gateways.push(started);
  await connector.start({ ...service, overview: (...asked) => started.overview(...asked) });
  return started;
}

beforeEach(async () => {
  slack = await startSlackServer();
  gateways = [];
  await gateway();
  ana = slack.user('Ana');
  ben = slack.user('Ben');
});

afterEach(async () => {
  for (const { connector } of gateways) await connector.stop(STOP_MS);
  for (const { deliverer } of gateways) await deliverer.stop();
  await slack[Symbol.asyncDispose]();
});

/** What somebody's tab shows, once it does; time passes meanwhile. */
function home(person: SlackPerson, ...words: string[]): Promise<string> {
  return eventually(async () => {
    await slack.clock.advance(500);
    const text = readableText(person.home()).join('\n');
    for (const one of words) expect(text).toContain(one);
    return text;
  });
}

/** Until their tab does not show that; time passes meanwhile. */
function without(person: SlackPerson, words: string): Promise<void> {
  return eventually(async () => {
    await slack.clock.advance(500);
    expect(readableText(person.home()).join('\n')).not.toContain(words);
  });
}

async function opens(...people: SlackPerson[]): Promise<void> {
  for (const person of people) {
    person.opensHome();
    await home(person, 'This month');
    // Its gateway has heard so, and knows what stands there.
    const kept = { user_id: person.user.id, hash: { $ne: null } };
    await eventually(async () => expect(await stage.db.collection('slack_homes').findOne(kept)).not.toBeNull());
  }
  // What was drawn just now rests for a moment.
  await slack.clock.advance(REST_MS);
}

/** Ana has begun a session in `ops`. */
async function begun(): Promise<SessionRef> {
  ana.mention('ops', 'clean up');
  await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  return ref;
}

/** Its turn asks those whether it may. Nothing but the log has it: the worker died before it kept the record. */
async function asked(ref: SessionRef, policy: Partial<ApprovalPolicy>): Promise<string> {
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  const requested_by = { via: 'slack', id: ana.user.id, name: 'Ana' };
  const events = asks(approval_id, tool_use_id, policy);
  await stage.append(
    ref,
    ...events.map((event) => (event.type === 'deckhand.approval_requested' ? { ...event, requested_by } : event)),
  );
  return approval_id;
}

async function decide(ref: SessionRef, approval_id: string, person: SlackPerson): Promise<void> {
  const by = { via: 'slack', id: person.user.id, name: person.user.name };
  const { workspace_id } = ref;
  const answer = { by, in_conversation: false, decision: 'allow' as const, workspace_id, approval_id };
  expect((await stage.approvals.decide(answer)).result).toBe('decided');
}

function published(person?: SlackPerson): string[] {
  return slack.journal
    .filter(
      ({ method, args }) => method === 'views.publish' && (person === undefined || args['user_id'] === person.user.id),
    )
    .map(({ outcome }) => outcome);
}

describe('an open Home tab', () => {
  it('shows what is asked, and what is decided elsewhere, without being opened again', async () => {
    await opens(ben);
    const ref = await begun();
    const approval_id = await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await home(ben, 'Waiting for you', 'rm -rf build');
    await decide(ref, approval_id, ben);
    await without(ben, 'Waiting for you');
  });

  it('shows it to the members of a group that may decide, to whom it is escalated, and who asked', async () => {
    const ops = userGroup(slack.workspace, 'ops', ben.user);
    await opens(ben);
    const ref = await begun();
    await asked(ref, { approvers: [`slack:group:${ops}`] });
    await home(ben, 'Waiting for you');
    const cleo = slack.user('Cleo');
    await opens(cleo);
    const [question] = await stage.entries('deckhand.approval_requested');
    const { approval_id = '', tool_use_id = '' } = question?.event ?? {};
    const to = `slack:${cleo.user.id}`;
    await stage.append(ref, { type: 'deckhand.approval_escalated', approval_id, tool_use_id, step: 1, to });
    await home(cleo, 'Waiting for you');
    await opens(ana);
    await asked(ref, { approvers: [] });
    await home(ana, 'Waiting for you');
  });

  it('shows a run that begins, and no longer one that has ended', async () => {
    await opens(ana);
    const ref = await begun();
    await stage.append(ref, { type: 'session.status_running' });
    await home(ana, 'clean up', 'Stop');
    await stage.append(ref, says('Done.'), ends());
    await without(ana, 'clean up');
  });

  it('is drawn for nobody who has not opened theirs', async () => {
    await opens(ben);
    const ref = await begun();
    await asked(ref, { approvers: [`slack:${ben.user.id}`, `slack:${slack.user('Cleo').user.id}`] });
    await home(ben, 'Waiting for you');
    expect(slack.journal.filter(({ method }) => method === 'views.publish').map(({ args }) => args['user_id'])).toEqual(
      published(ben).map(() => ben.user.id),
    );
  });

  it('is drawn once for much that changes at once', async () => {
    await opens(ben);
    const { connector } = gateways[0] as Gateway;
    const { team_id } = slack.workspace;
    for (let n = 0; n < 50; n += 1) connector.changed?.([{ kind: 'person', id: ben.user.id }], team_id);
    await eventually(() => expect(published(ben)).toHaveLength(2));
    await connector.stop(STOP_MS);
    expect(published(ben)).toHaveLength(2);
  });

  it('keeps what became of a press there, whatever changes in the next minute', async () => {
    const ref = await begun();
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await opens(ben);
    await home(ben, 'Waiting for you');
    await ben.presses('Approve');
    await home(ben, 'Approved.');
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await slack.clock.advance(5_000);
    await eventually(() => {
      const text = readableText(ben.home()).join('\n');
      expect(text).toContain('Waiting for you');
      expect(text).toContain('Approved.');
    });
  });

  it('holds up no message', async () => {
    const [only] = gateways;
    await opens(ben);
    const looking = deferred<void>();
    const looked = deferred<void>();
    if (only !== undefined) {
      only.overview = async () => {
        looking.resolve();
        await looked.promise;
        throw new Error('The database is away');
      };
    }
    const ref = await begun();
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await looking.promise;
    await stage.append(ref, says('Meanwhile.'), ends());
    await eventually(() => expect(slack.workspace.messages.map(readable).join('\n')).toContain('Meanwhile.'));
    looked.resolve();
    await home(ben, 'cannot be read just now');
  });
});

describe('a Home tab that could not be drawn', () => {
  it.each([
    ['a 500', () => slack.faults.fail('views.publish', 500, 2)],
    ['a lost answer', () => slack.faults.loseResponse('views.publish')],
  ])('after %s is drawn without being opened again', async (_what, arrange) => {
    await opens(ben);
    const ref = await begun();
    arrange();
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await eventually(() => expect(published(ben).filter((outcome) => outcome !== 'ok')).not.toEqual([]));
    await home(ben, 'Waiting for you');
    await eventually(async () => {
      await slack.clock.advance(500);
      expect(await owed()).toBe(0);
    });
  });

  it('is drawn also when the very first time failed', async () => {
    slack.faults.fail('views.publish', 500);
    ben.opensHome();
    await eventually(() => expect(published(ben)).toEqual(['500']));
    await home(ben, 'This month');
  });

  it('waits for as long as Slack asks, and so do the others of its workspace', async () => {
    await opens(ana, ben);
    const ref = await begun();
    slack.faults.rateLimit('views.publish', DAYS_S);
    await asked(ref, { approvers: [`slack:${ana.user.id}`] });
    await eventually(() => expect(published().filter((outcome) => outcome !== 'ok')).toHaveLength(1));
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    const calls = published().length;
    // Each look puts off the other one, too.
    await eventually(async () => {
      await slack.clock.advance(15_000);
      expect(await stage.db.collection('slack_homes').countDocuments({ put_off: { $gt: 0 } })).toBe(2);
    });
    expect(published()).toHaveLength(calls);
    await slack.clock.advance(DAYS_S * 1_000);
    await home(ben, 'Waiting for you');
  });

  it('is drawn by another gateway when the one that was at it dies', async () => {
    await opens(ben);
    const [first] = gateways;
    const looking = deferred<void>();
    if (first !== undefined) {
      first.overview = () => {
        looking.resolve();
        return new Promise<Overview>(() => undefined);
      };
    }
    const ref = await begun();
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await looking.promise;
    await first?.dies();
    await gateway();
    await home(ben, 'Waiting for you');
  });

  it('is left alone where Slack has none, until it is opened again', async () => {
    await opens(ben);
    slack.faults.refuse('views.publish', 'not_enabled');
    const ref = await begun();
    await asked(ref, { approvers: [`slack:${ben.user.id}`] });
    await eventually(async () => expect(await stage.db.collection('slack_homes').countDocuments()).toBe(0));
  });
});

it('shows the later of two looks at the house, whichever was drawn last', async () => {
  const [first] = gateways;
  if (first === undefined) throw new Error('There is no gateway');
  await opens(ben);
  const { overview } = first;
  const looked = deferred<void>();
  const goOn = deferred<void>();
  first.overview = async (...asked) => {
    const before = await overview(...asked);
    first.overview = overview;
    looked.resolve();
    await goOn.promise;
    return before;
  };
  // What this one sees is out of date before it is drawn.
  ben.opensHome();
  await looked.promise;
  const ref = await begun();
  await asked(ref, { approvers: [`slack:${ben.user.id}`] });
  await home(ben, 'Waiting for you');
  goOn.resolve();
  await eventually(() => expect(published(ben)).toContain('hash_conflict'));
  await eventually(() => expect(published(ben).at(-1)).toBe('ok'));
  await home(ben, 'Waiting for you');
});

/** Tabs that do not show what there is. */
function owed(): Promise<number> {
  return stage.db.collection('slack_homes').countDocuments({ draw_at: { $ne: null } });
}
