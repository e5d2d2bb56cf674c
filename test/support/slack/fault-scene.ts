import { createSlackConnector } from '../../../connectors/slack/index.ts';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { ConversationKey } from '../../../src/chat/place.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import type { ChatStage, NewEvent } from '../chat-stage.ts';
import { eventually } from '../eventually.ts';
import { createPlatform } from '../fake-connector.ts';
import { createRecordingReceiver } from '../recording-receiver.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from './harness.ts';
import type { MessagePlace } from './person.ts';
import type { SlackServer } from './server.ts';
import { readable } from './transcript.ts';
import type { SlackMessage } from './workspace.ts';

export const PATIENCE_MS = 20_000;

/** What goes wrong with one call, whichever method it is of. */
const FAULTS = {
  'a 429 with Retry-After': (slack: SlackServer, method: string) => slack.faults.rateLimit(method, 1),
  'a 500': (slack: SlackServer, method: string) => slack.faults.fail(method, 500),
  'a dropped response': (slack: SlackServer, method: string) => slack.faults.loseResponse(method),
} as const;

export type FaultName = keyof typeof FAULTS;

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** Has a method called, one call of which fails, and says what everybody is to see in the end. */
export type FaultRow = (scene: FaultScene) => Promise<void>;

/** How the journal has it. */
export const OUTCOMES: Record<FaultName, string> = {
  'a 429 with Retry-After': '429',
  'a 500': '500',
  'a dropped response': 'lost',
};

/** A house with one gateway, from Slack to the log and back, in which one call is going to fail. */
export interface FaultScene extends AsyncDisposable {
  readonly stage: ChatStage;
  readonly slack: SlackServer;
  readonly connector: SlackHarness['connector'];
  readonly fault: FaultName;
  /** The next call of the method fails. */
  strike(): void;
  /** Ana says this, and its session is there. */
  begin(where: 'ops' | 'direct'): Promise<Begun>;
}

export interface Begun {
  root: MessagePlace;
  key: ConversationKey;
  ref: SessionRef;
  /** This happens in the session, and all of it is shown. */
  run(...events: NewEvent[]): Promise<void>;
  /** What the bot says in the conversation, for everybody. */
  own(): SlackMessage[];
  /** The same as text, without the line that says who speaks. */
  reads(): string[];
}

export async function faultScene(stage: ChatStage, method: string, fault: FaultName): Promise<FaultScene> {
  const connectors = new Map<string, SlackHarness['connector']>();
  const harness = await startSlackHarness(stage.receiver({ connectors }).service, { db: stage.db });
  const { slack, connector } = harness;
  connectors.set('slack', connector);
  const deliverer: Deliverer = stage.deliverer(createPlatform(), 'gateway_1', { connectors });
  return {
    stage,
    slack,
    connector,
    fault,
    strike: () => FAULTS[fault](slack, method),
    async begin(where) {
      const ana = slack.user('Ana');
      const root = where === 'ops' ? ana.mention('ops', 'hello') : ana.dm('hello');
      await eventually(async () => expectOne(await stage.entries('user.message')), PATIENCE_MS);
      const [ref] = await stage.refs();
      if (ref === undefined) throw new Error('There is no session');
      const { channel, ts } = root;
      const key = { connector: 'slack', tenant: slack.workspace.team_id, channel, thread: ts };
      const own = () =>
        slack.workspace.messages.filter(
          (one) => one.thread_ts === ts && one.bot_id !== undefined && one.ephemeral_to === undefined,
        );
      return {
        root,
        key,
        ref,
        async run(...events) {
          await stage.append(ref, ...events);
          await eventually(async () => expectNone(await stage.log.undelivered(10)), PATIENCE_MS);
        },
        own,
        reads: () =>
          own().map((one) => readable({ ...one, blocks: one.blocks.filter(({ type }) => type === 'markdown') })),
      };
    },
    async [Symbol.asyncDispose]() {
      await deliverer.stop();
      await harness[Symbol.asyncDispose]();
    },
  };
}

/** Another gateway's connector, not started. */
export function anotherConnector(slack: SlackServer) {
  return { connector: createSlackConnector(slackOptions(slack)), receiver: createRecordingReceiver() };
}

function expectOne(found: readonly unknown[]): void {
  if (found.length !== 1) throw new Error(`There are ${found.length}`);
}

function expectNone(found: readonly unknown[]): void {
  if (found.length > 0) throw new Error(`There are ${found.length}`);
}
