import { startSlackHarness } from '../support/slack/harness.ts';
import { startInstalledHarness } from '../support/slack/install-stage.ts';
import { connectorContract } from './connector-contract.ts';

const abilities = { loses_responses: true, rate_limits: true, unaddressed: true };

connectorContract('Slack in Socket Mode', (receiver) => startSlackHarness(receiver), abilities);
connectorContract('Slack over HTTP', (receiver) => startSlackHarness(receiver, { mode: 'http' }), abilities);
connectorContract('Slack in one of many workspaces', startInstalledHarness, abilities);
// A direct message always addresses the bot, and its live messages are native streams. A second person writing into
// it cannot happen in Slack; the suite's Ben is let in, which is harmless here.
connectorContract('Slack in direct messages', (receiver) => startSlackHarness(receiver, {}, 'dm'), {
  ...abilities,
  unaddressed: false,
});
