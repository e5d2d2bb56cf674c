import { startWebHarness } from '../support/web-harness.ts';
import { connectorContract } from './connector-contract.ts';

connectorContract('web', startWebHarness, { loses_responses: true, rate_limits: false, unaddressed: false });
