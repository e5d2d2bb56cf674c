import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type { MongoClient } from 'mongodb';
import { createCleanup } from '../../../src/cleanup.ts';
import { createMongoClient } from '../../../src/mongo-client.ts';
import { startTestModel, type TestModel } from '../model.ts';
import { type SlackServer, startSlackServer } from '../slack/server.ts';
import { startBalancer } from './balancer.ts';
import { answerOf } from './claude.ts';
import { type Crew, LEASE_MS, startCrew } from './crew.ts';
import { type OwnServices, startOwnServices } from './own-services.ts';
import { modelFault, type Plan } from './plan.ts';

/** What Slack's journal calls the n-th life. */
export function callerOf(life: number): string {
  return `life-${life}`;
}

const API_KEY = 'soak-api-key-0123456789abcdef';
const MODEL_KEY = 'sk-ant-soak-0123456789abcdef';
const DATABASE = 'soak';
/** What a client waits for an answer: a frozen gateway gives none. */
const CLIENT_MS = 5_000;
/** Words per second of a slow answer, and of any other with many words. */
const SLOW_WPS = 15;
const USUAL_WPS = 400;
/** However slow, an answer ends: hundreds of lines at that pace would take longer than what counts as stuck. */
const LONGEST_ANSWER_S = 20;

/** The house, the services and the platforms around it, and who talks to it. */
export interface Stage extends AsyncDisposable {
  data_dir: string;
  services: OwnServices;
  mongo: MongoClient;
  slack: SlackServer;
  model: TestModel;
  /** How often each kind of trouble met a model request. */
  model_faults: Map<string, number>;
  crew: Crew;
  client: Anthropic;
  agents: { open: string; careful: string; environment_id: string };
  database: string;
  secrets: string[];
}

/** @param main the compiled product, for node */
export async function buildStage(plan: Plan, main: string): Promise<Stage> {
  const cleanup = createCleanup();
  const keep = <T extends AsyncDisposable>(one: T): T => {
    cleanup.defer(() => one[Symbol.asyncDispose]());
    return one;
  };
  try {
    // Short, because Unix sockets stand in it.
    const data_dir = await mkdtemp(join(tmpdir(), 'soak-'));
    cleanup.defer(() => rm(data_dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
    const services = keep(await startOwnServices(data_dir));
    const slack = keep(await startSlackServer());
    const model = keep(await startTestModel());
    const model_faults = troubledModel(model, plan.seed);
    const balancer = keep(await startBalancer());
    if (plan.mode === 'http') slack.deliverTo(`${balancer.url}/slack/events`);
    const crew = keep(
      await startCrew({
        data_dir,
        program: [main],
        skew_ms: plan.skew_ms,
        onGateway: (member, url) => balancer.set(member, url),
        env: (life) => ({
          HOME: data_dir,
          PORT: '0',
          MONGODB_URI: services.mongodb.uri,
          MONGODB_DATABASE: DATABASE,
          REDIS_URL: services.redis.uri,
          DECKHAND_API_KEY: API_KEY,
          ANTHROPIC_API_KEY: MODEL_KEY,
          ANTHROPIC_BASE_URL: model.base_url,
          SLACK_API_URL: slack.apiUrlOf(callerOf(life)),
          SLACK_BOT_TOKEN: slack.tokens.bot,
          ...(plan.mode === 'socket'
            ? { SLACK_APP_TOKEN: slack.tokens.app }
            : { SLACK_SIGNING_SECRET: slack.tokens.signing_secret }),
          DECKHAND_LEASE_MS: String(LEASE_MS),
          DECKHAND_SWEEP_MS: '200',
          DECKHAND_RETRY_MS: '50',
          LOG_LEVEL: 'info',
        }),
      }),
    );
    const mongo = createMongoClient(services.mongodb.uri);
    cleanup.defer(() => mongo.close());
    const client = new Anthropic({ baseURL: balancer.url, apiKey: API_KEY, maxRetries: 0, timeout: CLIENT_MS });
    return {
      data_dir,
      services,
      mongo,
      slack,
      model,
      model_faults,
      crew,
      client,
      agents: await createAgents(client),
      database: DATABASE,
      secrets: [API_KEY, MODEL_KEY, ...Object.values(slack.tokens)],
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/** Claude answers from the conversation alone; what befalls the n-th request is the seed's. */
function troubledModel(model: TestModel, seed: number): Map<string, number> {
  const met = new Map<string, number>();
  model.otherwise((request) => {
    const { fault, word } = modelFault(seed, model.requests.length);
    if (fault !== 'none') met.set(fault, (met.get(fault) ?? 0) + 1);
    if (fault === '429') return { error: { status: 429, headers: { 'retry-after': '1' } } };
    if (fault === '500' || fault === '529') return { error: { status: Number(fault) } };
    const reply = answerOf(request.messages);
    const tokens_per_second = fault === 'slow' ? slowPace(reply.text ?? '') : USUAL_WPS;
    return { ...reply, tokens_per_second, ...(fault === 'cut' ? { disconnect_after_words: word } : {}) };
  });
  return met;
}

function slowPace(text: string): number {
  return Math.max(SLOW_WPS, text.split(/\s+/).length / LONGEST_ANSWER_S);
}

/** In Slack the default agent answers: its commands run at once, its edits ask. */
async function createAgents(client: Anthropic): Promise<Stage['agents']> {
  const { agents, environments } = client.beta;
  const tools = (bash: 'always_allow' | 'always_ask') => [
    {
      type: 'agent_toolset_20260401' as const,
      default_config: { permission_policy: { type: 'always_allow' as const } },
      configs: [
        { name: 'bash' as const, permission_policy: { type: bash } },
        { name: 'edit' as const, permission_policy: { type: 'always_ask' as const } },
      ],
    },
  ];
  const [inSlack] = (await agents.list()).data;
  if (inSlack === undefined) throw new Error('There is no default agent');
  await agents.update(inSlack.id, { version: inSlack.version, tools: tools('always_allow') });
  const { id: environment_id } = await environments.create({ name: 'soak' });
  const model = 'claude-sonnet-5-5';
  const careful = await agents.create({ name: 'careful', model, tools: tools('always_ask') });
  return { open: inSlack.id, careful: careful.id, environment_id };
}
