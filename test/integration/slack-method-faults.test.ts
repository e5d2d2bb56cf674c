import { describe, expect, it } from 'vitest';
import { calledMethods } from '../support/slack/called-methods.ts';
import { INSTALL_ROWS } from '../support/slack/fault-rows-installs.ts';
import { PEOPLE_ROWS } from '../support/slack/fault-rows-people.ts';
import { POSTING_ROWS } from '../support/slack/fault-rows-posting.ts';
import { FAULT_NAMES, type FaultRow, faultScene, OUTCOMES } from '../support/slack/fault-scene.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

/** Of each method that the connector calls: what people are to see although one call of it fails. */
const ROWS: Record<string, FaultRow> = { ...POSTING_ROWS, ...PEOPLE_ROWS, ...INSTALL_ROWS };

const stage = useChatStage();

it('every method that the connector calls is tried', () => {
  expect(Object.keys(ROWS).toSorted()).toEqual([...calledMethods].toSorted());
});

describe.each(Object.entries(ROWS))('%s', (method, row) => {
  it.each(FAULT_NAMES)('has its effect once after %s', async (fault) => {
    await using scene = await faultScene(stage, method, fault);
    await row(scene);
    const outcomes = scene.slack.journal.filter((call) => call.method === method).map(({ outcome }) => outcome);
    expect(outcomes).toContain(OUTCOMES[fault]);
  });
});
