import { describe, expect, it } from 'vitest';
import { createDeliveryStore } from '../../../src/chat/delivery-store.ts';
import { newId } from '../../../src/session/id.ts';
import { ends, says, uses } from '../../support/chat-events.ts';
import { eventually } from '../../support/eventually.ts';
import { brokenHints } from '../../support/memory-hints.ts';
import { useLiveStage } from '../../support/use-live-stage.ts';

const on = useLiveStage();

describe('a text that is being written', () => {
  it('grows in one message and ends as the log has it', async () => {
    on.gateway();
    await on.begun();
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There ');
    await on.shows(['There ▌']);
    await on.grows(id, 'are two');
    await on.shows(['There are two▌']);
    await on.stage.append(on.ref, says('There are two files.', id), ends());
    await on.shows(['There are two files.']);
    expect(on.platform.messages).toHaveLength(1);
    expect(on.platform.messages[0]?.versions.at(-1)).toMatchObject({ live: false });
  });

  it('is seen from its first word when the turn was owed before', async () => {
    on.gateway();
    await on.stage.log.appendInputs(on.ref, [
      {
        event: { id: newId('sevt'), type: 'user.message', content: [{ type: 'text', text: 'go' }], processed_at: null },
      },
    ]);
    const id = newId('sevt');
    // Watched although nothing runs yet: somebody hears it.
    await eventually(async () => expect(await on.starts(id)).toBe(1));
    await on.grows(id, 'There ');
    await on.shows(['There ▌']);
  });

  it('goes on in a second message where one is full', async () => {
    on.platform.limits.text = 60;
    on.gateway();
    await on.begun();
    const id = newId('sevt');
    const [one, two] = ['The first paragraph has some words in it.\n\n', 'The second one has others. '];
    await on.starts(id);
    await on.grows(id, one);
    await on.shows([`${one}▌`]);
    await on.grows(id, two);
    await on.shows([one, `${two}▌`]);
    await on.stage.append(on.ref, says(one + two, id), ends());
    await on.shows([one, two]);
    expect(on.platform.messages).toHaveLength(2);
  });

  it('whose answer is lost is not posted twice', async () => {
    on.gateway();
    await on.begun();
    on.platform.faults.push({ kind: 'lost' });
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There ');
    await on.shows(['There ▌']);
    await on.stage.append(on.ref, says('There are two.', id), ends());
    await on.shows(['There are two.']);
  });

  it('is finished although its edits fail for a while', async () => {
    on.gateway();
    await on.begun();
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There ');
    await on.shows(['There ▌']);
    on.platform.failEdits = 3;
    await on.stage.append(on.ref, says('There are two.', id), ends());
    await on.shows(['There are two.']);
  });

  it('is finished by another gateway when its own dies', async () => {
    const dying = on.gateway('gateway_1');
    await on.begun();
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There a');
    await on.shows(['There a▌']);
    await dying.stop();
    await on.stage.append(on.ref, says('There are two.', id), ends());
    await on.gateway('gateway_2').sweepNow();
    await on.shows(['There are two.']);
    expect(on.platform.messages).toHaveLength(1);
  });

  it.each([true, false])('is finished although its gateway died posting it (it stands: %s)', async (after) => {
    const dying = on.gateway('gateway_1');
    await on.begun();
    on.platform.faults.push({ kind: 'died', after });
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There a');
    await eventually(() => expect(on.platform.calls).toContain('post text live'));
    await dying.stop();
    await on.stage.append(on.ref, ends({ type: 'retries_exhausted' }));
    await on.gateway('gateway_2').sweepNow();
    const gaveUp = '(!) I gave up after several failures.';
    await on.shows(after ? ['There a\n\n*(broken off)*', gaveUp] : [gaveUp]);
  });

  it('is not taken for unfinished when a gateway is late in saying how far it came', async () => {
    const store = createDeliveryStore(on.stage.db);
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let die: () => void = () => undefined;
    const dead = new Promise<void>((resolve) => {
      die = resolve;
    });
    let said: Promise<void> = asleep;
    const late = {
      ...store,
      async record(id: string, change: Parameters<typeof store.record>[1]) {
        if (change.state !== 'live') return store.record(id, change);
        said = asleep.then(() => store.record(id, change));
        await dead;
      },
    };
    on.gateway('gateway_1', { store: late });
    await on.begun();
    const id = newId('sevt');
    await on.starts(id);
    await on.grows(id, 'There a');
    await on.shows(['There a▌']);
    await on.stage.append(on.ref, says('There are two.', id));
    await on.leaseRunsOut();
    await on.gateway('gateway_2').sweepNow();
    await on.shows(['There are two.']);
    wake();
    await said;
    await on.stage.append(on.ref, says('And that is all.'), ends());
    await on.shows(['There are two.', 'And that is all.']);
    die();
  });

  it('is told only at its end where Redis is away', async () => {
    on.gateway('gateway_1', { hints: brokenHints });
    await on.stage.append(on.ref, { type: 'session.status_running' }, says('There are two.'), ends());
    await on.shows(['There are two.']);
  });
});

describe('output of a running command', () => {
  it('is shown as it comes where tool calls are shown, and gives way to the result', async () => {
    on.platform.shows_activity = true;
    on.gateway();
    await on.begun();
    await on.stage.append(on.ref, uses('sevt_c1'));
    await on.shows(['<running> Use bash']);
    await on.stage.preview(on.ref, { type: 'tool_output', tool_use_id: 'sevt_c1', text: 'line 1\n' });
    await on.shows(['<running> Use bash line 1']);
    await on.stage.preview(on.ref, { type: 'tool_output', tool_use_id: 'sevt_c1', text: 'line 2\n' });
    await on.shows(['<running> Use bash line 1\nline 2']);
    const content = [{ type: 'text' as const, text: 'all lines' }];
    await on.stage.append(on.ref, { type: 'agent.tool_result', tool_use_id: 'sevt_c1', content, is_error: false });
    await on.shows(['<done> Use bash all lines']);
  });
});
