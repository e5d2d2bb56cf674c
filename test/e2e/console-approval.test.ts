import type { Locator } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { InboundDecision } from '../../src/chat/inbound.ts';
import { REMOVAL } from '../support/cards.ts';
import { useConsoleStage } from '../support/console-stage.ts';
import { eventually } from '../support/eventually.ts';

const stage = useConsoleStage();

function decided({ decision, person, reason }: InboundDecision) {
  const status = decision === 'allow' ? ('allowed' as const) : ('denied' as const);
  return { state: { status, by: person, at: new Date().toISOString(), reason: reason ?? null, via: 'web' } };
}

function hasFocus(locator: Locator): Promise<boolean> {
  return locator.evaluate((element) => element === document.activeElement);
}

describe('an approval on the page', () => {
  it('is given with one click, and every page shows who gave it', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Restart it');
    const key = await stage.keyOf(ana);
    const ben = await stage.enter('Ben');
    await ben.goto(`/c/${key.thread}`);
    const change = await stage.crew.approval(key, { summary: 'Restart the server', detail: 'systemctl restart web' });
    stage.crew.onDecision = (decision) => void change(decided(decision));
    await ana.approvals.getByText('systemctl restart web').waitFor();
    await ana.list.getByText('Approval needed').waitFor();
    await eventually(async () => expect(await ana.page.title()).toMatch(/^Approval needed/));

    await ben.approvals.getByRole('button', { name: 'Approve' }).click();
    for (const person of [ana, ben]) {
      await person.approvals.getByText(/Approved by Ben/).waitFor();
      expect(await person.approvals.getByRole('button').count()).toBe(0);
    }
    expect(stage.crew.decisions).toMatchObject([{ decision: 'allow', person: { name: 'Ben' } }]);
    await ana.list.getByText('Approval needed').waitFor({ state: 'detached' });
    await ana.page.reload();
    await ana.approvals.getByText(/Approved by Ben/).waitFor();
  });

  it('is refused with a reason, by keyboard alone', async () => {
    const ana = await stage.visit();
    await eventually(async () => expect(await hasFocus(ana.page.getByLabel('Your name'))).toBe(true));
    await ana.page.keyboard.type('Ana');
    await ana.page.keyboard.press('Enter');
    await ana.composer.waitFor();
    await eventually(async () => expect(await hasFocus(ana.composer)).toBe(true));
    await ana.page.keyboard.type('Clean up');
    await ana.page.keyboard.press('Shift+Enter');
    await ana.page.keyboard.type('please');
    await ana.page.keyboard.press('Enter');
    const key = await stage.keyOf(ana);
    await eventually(() => expect(stage.crew.messages.map((each) => each.text)).toEqual(['Clean up\nplease']));
    const change = await stage.crew.approval(key, {});
    stage.crew.onDecision = (decision) => void change(decided(decision));
    await stage.crew.status(key, 'Waiting for approval');
    await ana.approvals.waitFor();

    const deny = ana.approvals.getByRole('button', { name: 'Deny…' });
    for (let presses = 0; presses < 12 && !(await hasFocus(deny)); presses += 1) {
      await ana.page.keyboard.press('Shift+Tab');
    }
    await ana.page.keyboard.press('Enter');
    const reason = ana.approvals.getByRole('textbox', { name: /Why not/ });
    await eventually(async () => expect(await hasFocus(reason)).toBe(true));
    await ana.page.keyboard.press('Escape');
    await eventually(async () => expect(await hasFocus(deny)).toBe(true));
    expect(stage.crew.stops).toEqual([]);
    await ana.page.keyboard.press('Enter');
    await reason.waitFor();
    await ana.page.keyboard.type('Too broad: only build/tmp');
    await ana.page.keyboard.press('Enter');
    await ana.approvals.getByText('Denied by Ana').waitFor();
    await ana.approvals.getByText('Too broad: only build/tmp').waitFor();
    expect(stage.crew.decisions).toMatchObject([{ decision: 'deny', reason: 'Too broad: only build/tmp' }]);
  });

  it('is given by two where two have to, for the session if they say so', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Restart it');
    const key = await stage.keyOf(ana);
    const ben = await stage.enter('Ben');
    await ben.goto(`/c/${key.thread}`);
    const change = await stage.crew.approval(key, { quorum: 2, for_session: 'tool' });
    await ben.approvals.getByText('0 of 2').waitFor();
    stage.crew.onDecision = ({ person }) =>
      void change({ state: { status: 'pending', reminded: 0, approved_by: [person] } });
    await ana.approvals.getByRole('button', { name: 'Approve', exact: true }).click();
    for (const person of [ana, ben]) await person.approvals.getByText('1 of 2: Ana').waitFor();
    await ana.approvals.getByRole('button', { name: 'Approve', exact: true }).waitFor();

    stage.crew.onDecision = ({ person }) => {
      const approved_by = [{ id: 'ana', name: 'Ana' }, person];
      const at = new Date().toISOString();
      const state = { status: 'allowed' as const, by: person, at, reason: null, via: 'web', approved_by };
      void change({ state: { ...state, for_session: 'tool' } });
    };
    await ben.approvals.getByRole('button', { name: 'Approve for this session' }).click();
    for (const person of [ana, ben])
      await person.approvals.getByText(/Approved by Ana, Ben for this session/).waitFor();
    expect(stage.crew.decisions.map(({ for_session }) => for_session)).toEqual([undefined, true]);
  });

  it('shows a private call to those who may see it', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Go');
    const key = await stage.keyOf(ana);
    await stage.crew.approval(key, { summary: 'Use the tool bash.', detail: '', private_detail: true });
    stage.crew.shown = { refused: 'Only those who may decide this see it.' };
    stage.expectComplaints(/403/);
    await ana.approvals.getByRole('button', { name: 'Show what exactly' }).click();
    await ana.approvals.getByText('Only those who may decide this see it.').waitFor();
    stage.crew.shown = { summary: REMOVAL.summary, why: null, detail: REMOVAL.detail, closed: null };
    await ana.approvals.getByRole('button', { name: 'Show what exactly' }).click();
    await ana.approvals.getByText('rm -rf build', { exact: true }).waitFor();
  });

  it('lets nobody approve a call that is longer than the card before all of it was shown', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Go');
    const key = await stage.keyOf(ana);
    const detail = `echo ${'x'.repeat(3_500)} end`;
    await stage.crew.approval(key, { detail: `${detail.slice(0, 2_960)}… (552 more characters)` });
    stage.crew.shown = { summary: 'Run it', why: null, detail, closed: null };
    const approve = ana.approvals.getByRole('button', { name: 'Approve', exact: true });
    await approve.waitFor();
    expect(await approve.isDisabled()).toBe(true);
    await ana.approvals.getByRole('button', { name: 'Show all of it' }).click();
    await ana.approvals.getByText(detail, { exact: true }).waitFor();
    expect(await approve.isEnabled()).toBe(true);
  });

  it('lets nobody approve a call of which nothing is shown', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Go');
    await stage.crew.approval(await stage.keyOf(ana), { detail: '' });
    stage.crew.shown = { summary: 'Run it', why: null, detail: 'restart: true\ncommand: make', closed: null };
    const approve = ana.approvals.getByRole('button', { name: 'Approve', exact: true });
    await approve.waitFor();
    expect(await approve.isDisabled()).toBe(true);
    await ana.approvals.getByRole('button', { name: 'Show what exactly' }).click();
    await ana.approvals.getByText('command: make').waitFor();
    expect(await approve.isEnabled()).toBe(true);
  });

  it('answers a stranger’s click in words, and leaves the card as it is', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Go');
    const key = await stage.keyOf(ana);
    await ana.message('Go').waitFor();
    await stage.crew.approval(key, { approvers: 'Tomasz' });
    stage.crew.answers = { effect: 'refused', text: 'Only Tomasz may decide this.' };
    await ana.approvals.getByRole('button', { name: 'Approve' }).click();
    await ana.page.getByText('Only Tomasz may decide this.').waitFor();
    expect(await ana.approvals.getAttribute('data-status')).toBe('pending');
    expect(await ana.approvals.getByRole('button', { name: 'Approve' }).isEnabled()).toBe(true);
  });

  it('says so when the click did not arrive, and takes the next one', async () => {
    stage.expectComplaints(/ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|Failed to load resource/);
    const ana = await stage.enter('Ana');
    await ana.say('Go');
    const key = await stage.keyOf(ana);
    await stage.crew.approval(key, {});
    await ana.approvals.waitFor();
    await stage.server.drop();
    await ana.approvals.getByRole('button', { name: 'Approve' }).click();
    await ana.approvals.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor();
    await stage.server.listen();
    await ana.approvals.getByRole('button', { name: 'Approve' }).click();
    await eventually(() => expect(stage.crew.decisions).toHaveLength(1));
  });

  it('shows what became of it when nobody decided', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Go');
    const key = await stage.keyOf(ana);
    const change = await stage.crew.approval(key, { expires_at: new Date(Date.now() + 60_000).toISOString() });
    await ana.approvals.getByText('Denied by itself').waitFor();
    await change({ state: { status: 'pending', reminded: 1 } });
    await ana.approvals.getByText('Reminded once').waitFor();
    await change({ state: { status: 'expired', at: new Date().toISOString() } });
    await ana.approvals.getByText('Nobody decided in time').waitFor();
    expect(await ana.approvals.getByRole('button').count()).toBe(0);
  });
});
