import { beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { startSlackHarness } from '../support/slack/harness.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

const { stage, slack } = useSlackStage();
let ana: SlackPerson;

beforeEach(() => {
  ana = slack.user('Ana');
});

function shows(words: string, person = ana): Promise<string> {
  return eventually(() => {
    const text = readableText(person.home()).join('\n');
    expect(text).toContain(words);
    return text;
  });
}

async function running(person = ana): Promise<string> {
  person.mention('ops', 'count to a million');
  await slack.outbox.idle();
  return eventually(async () => {
    const [ref] = await stage.refs();
    if (ref === undefined || !(await stage.log.head(ref)).owed) throw new Error('No session has begun');
    return ref.session_id;
  });
}

describe('the Home tab', () => {
  it('is drawn when it is opened, for who opened it', async () => {
    const session_id = await running();
    ana.opensHome();
    const text = await shows('count to a million');
    expect(text).toContain('You own no agent yet.');
    expect(text).toContain('Create an agent');
    expect(JSON.stringify(ana.home())).toContain(`session:${session_id}`);
    const ben = slack.user('Ben');
    ben.opensHome();
    await shows('Nothing runs for you.', ben);
  });

  it('shows what runs behind however many that began later and rest', async () => {
    const session_id = await running();
    const sessions = stage.db.collection<{ _id: string; log: object }>('sessions');
    const one = await sessions.findOne({ _id: session_id });
    if (one === null) throw new Error('There is no session');
    const log = { ...one.log, owed: false, status: 'idle', stop_reason: { type: 'end_turn' } };
    const created_at = new Date(Date.now() + 60_000);
    await sessions.insertMany(Array.from({ length: 150 }, (_, n) => ({ ...one, _id: `sesn_${n}`, log, created_at })));
    ana.opensHome();
    await shows('count to a million');
  });

  it('makes an agent, and shows it', async () => {
    ana.opensHome();
    await shows('Create an agent');
    expect((await ana.presses('Create an agent')).acked).toBe(true);
    await eventually(() => expect(ana.view()).toBeDefined());
    await ana.submit({ name: 'Deployer' });
    await shows(':speech_balloon: *Deployer* is there, and yours');
    await ana.presses('Edit');
    await eventually(() => expect(ana.view()).toBeDefined());
    await ana.submit({ name: 'Shipper' });
    await shows('*Shipper*');
  });

  it('says what to do where a form does not open', async () => {
    ana.opensHome();
    await shows('Create an agent');
    slack.faults.refuse('views.open', 'expired_trigger_id');
    await ana.presses('Create an agent');
    await shows('The form could not be opened just now. Press the button again, or type `/agents new` in a channel.');
  });

  it('stops what runs, and says so', async () => {
    await running();
    ana.opensHome();
    await shows('count to a million');
    expect((await ana.presses('Stop')).acked).toBe(true);
    await shows('It is being stopped.');
    expect(await stage.entries('user.interrupt')).toHaveLength(1);
  });

  it('offers a guest nothing to make', async () => {
    ana.user.is_restricted = true;
    ana.opensHome();
    expect(await shows('guests make none')).not.toContain('Create an agent');
  });
});

it('says so on the Home tab when nothing can be read', async () => {
  await using other = await startSlackHarness(createRecordingReceiver());
  const ben = other.slack.user('Ben');
  ben.opensHome();
  await shows('cannot be read just now', ben);
});
