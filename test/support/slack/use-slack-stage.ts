import { afterEach, beforeEach } from 'vitest';
import type { SlackOptions } from '../../../connectors/slack/index.ts';
import type { Connector } from '../../../src/chat/connector.ts';
import type { ChatStage } from '../chat-stage.ts';
import { eachTests } from '../each-test.ts';
import { useChatStage } from '../use-chat-stage.ts';
import { type SlackHarness, startSlackHarness } from './harness.ts';
import type { SlackServer } from './server.ts';

/** For each test a Slack, and the house behind it from the connector to the log. */
export function useSlackStage(over: Partial<SlackOptions> = {}): {
  stage: ChatStage;
  slack: SlackServer;
  connector: Connector;
} {
  const stage = useChatStage();
  let harness: SlackHarness;

  beforeEach(async () => {
    const connectors = new Map<string, Connector>();
    harness = await startSlackHarness(stage.receiver({ connectors }).service, over);
    connectors.set('slack', harness.connector);
  });

  afterEach(() => harness[Symbol.asyncDispose]());

  return { stage, slack: eachTests(() => harness.slack), connector: eachTests(() => harness.connector) };
}
