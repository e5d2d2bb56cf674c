import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Receipt } from '../../../../src/chat/inbound.ts';
import { type Action, createRoles, MAY, type Roles } from '../../../../src/chat/roles.ts';
import { said } from '../../../support/chat-stage.ts';
import { agentOf, commanded, give, typing } from '../../../support/commands.ts';
import { createPlatform } from '../../../support/fake-connector.ts';
import { useChatStage } from '../../../support/use-chat-stage.ts';

const stage = useChatStage();

/** Ada is admin, Ana owns the agent, Sam began the session, Ben is a member, Gil a guest. */
const PEOPLE = { admin: 'Ada', owner: 'Ana', starter: 'Sam', member: 'Ben', guest: 'Gil' } as const;

/** A command for each action; `id` is the session's. */
const COMMANDS: Record<Action, (id: string) => string> = {
  'see agents': () => '/agents list',
  'see how an agent is made': () => '/agents show Reviewer',
  'create an agent': () => '/agents new',
  'change an agent': () => '/agents edit Reviewer',
  'set up a channel': () => '/agents reply thread',
  'see runs and costs': () => '/agents runs Reviewer',
  'stop or resume a session': (id) => `/sessions stop ${id}`,
  'raise a budget': (id) => `/sessions budget ${id} 5`,
  'give roles': () => '/agents role test:U_X member',
};

const idOf = (name: string) => `U_${name.toUpperCase().replaceAll('*', '')}`;

const actions = Object.keys(MAY) as Action[];
const rows = actions.flatMap((action) =>
  Object.entries(PEOPLE).map(([standing, name]) => ({ action, standing, name })),
);

describe('who may what', () => {
  it.each(rows)('$standing: $action', async ({ action, standing, name }) => {
    await agentOf(stage, 'Reviewer', { deckhand_budget: '1' });
    await give(stage, 'Gil', 'guest');
    const sender = { id: 'U_SAM', name: 'Sam' };
    await stage.receiver().message(said('hello', { agent: 'Reviewer', sender }));
    const [ref] = await stage.refs();
    const receipt = await typing(stage).as(name)(COMMANDS[action](ref?.session_id ?? ''));
    // An owner and a starter are members as well.
    const standings: string[] = [...MAY[action]];
    const allowed =
      standings.includes(standing) || (['owner', 'starter'].includes(standing) && standings.includes('member'));
    expect(receipt.effect).toBe(allowed ? 'accepted' : 'refused');
    if (!allowed) expect(receipt.text).toMatch(/^(You may not|There is no session)/);
  });

  it('is what docs/slack.md says', () => {
    const docs = readFileSync(new URL('../../../../docs/slack.md', import.meta.url), 'utf8');
    for (const action of actions) {
      const cells = ['admin', 'owner', 'member', 'guest', 'starter'].map((who) =>
        (MAY[action] as readonly string[]).includes(who) ? 'yes' : '',
      );
      const row = new RegExp(`^\\| ${action} \\|(.*)\\|$`, 'm')
        .exec(docs)?.[1]
        ?.split('|')
        .map((cell) => cell.trim());
      expect([action, row]).toEqual([action, cells]);
    }
  });
});

describe('roles', () => {
  it('are given by admins, and the first ones stay what configuration says', async () => {
    const type = typing(stage);
    expect((await type.ben('/agents role')).text).toContain('are a member here');
    await type.ada('/agents role test:U_BEN admin');
    expect((await type.ben('/agents role test:U_ANA guest')).text).toBe('U\\_ANA is a guest now.');
    expect((await type.ben('/agents role test:U_ADA member')).text).toContain('DECKHAND_ADMINS');
    expect((await type.ben('/agents role Ana')).text).toContain('as in `/agents role slack:U123 member`');
  });

  describe('where nobody is an admin by configuration', () => {
    const only = { effect: 'refused', text: 'You are the only admin here: make somebody else one first.' };
    let roles: Roles;
    let type: (name: string, text: string) => Promise<Receipt>;

    beforeEach(async () => {
      roles = createRoles(stage.db, []);
      const receiver = stage.receiver({ roles });
      type = (name, text) => receiver.command(commanded(text, {}, name));
      await roles.give(stage.defaults.workspace_id, 'test:U_ANA', 'admin');
    });

    it.each(['member', 'guest'])('leave the last admin one, who would be a %s', async (role) => {
      expect(await type('Ana', `/agents role test:U_ANA ${role}`)).toEqual(only);
      expect((await type('Ana', '/agents role test:U_ANA admin')).effect).toBe('accepted');
      expect((await type('Ana', `/agents role test:U_BEN ${role}`)).effect).toBe('accepted');
      await type('Ana', '/agents role test:U_BEN admin');
      expect((await type('Ana', `/agents role test:U_ANA ${role}`)).effect).toBe('accepted');
      expect(await type('Ben', `/agents role test:U_BEN ${role}`)).toEqual(only);
      expect(await roles.adminsOf(stage.defaults.workspace_id)).toEqual(['test:U_BEN']);
    });

    it('leave one where two take it from each other at once', async () => {
      await type('Ana', '/agents role test:U_BEN admin');
      const { give } = roles;
      vi.spyOn(roles, 'give').mockImplementationOnce(async (workspace_id, ...rest) => {
        await give(workspace_id, 'test:U_ANA', 'member');
        return give(workspace_id, ...rest);
      });
      expect(await type('Ana', '/agents role test:U_BEN member')).toEqual({
        effect: 'refused',
        text: expect.stringContaining('U\\_BEN is the only admin here'),
      });
      expect(await roles.adminsOf(stage.defaults.workspace_id)).toEqual(['test:U_BEN']);
    });
  });

  it('are looked up by name: one’s own with those of admins and owners, or somebody’s', async () => {
    const platform = createPlatform();
    for (const name of ['Ada', 'Ana', 'Ben', 'Gil', '*Cleo*']) platform.names.set(idOf(name), name);
    platform.guests.add('U_GIL');
    const receiver = stage.receiver({ connectors: new Map([['test', platform.connector()]]) });
    const told = async (name: string, text: string) => {
      const guest = platform.guests.has(idOf(name));
      const { id } = commanded('', {}, name).person;
      return (await receiver.command(commanded(text, { person: { id, name, guest } }, name))).text;
    };
    await agentOf(stage, 'Reviewer');
    await agentOf(stage, 'Scout', { deckhand_owners: 'test:U_ANA,test:U_BEN' });
    expect(await told('Ada', '/agents role test:U_CLEO admin')).toBe('\\*Cleo\\* is an admin now.');
    expect(await told('Ben', '/agents role')).toBe(
      'You (`test:U_BEN`) are a member here.\n- Admins: Ada, \\*Cleo\\*\n- Owners: Ana (Reviewer, Scout), Ben (Scout)',
    );
    for (const [person, words] of [
      ['U_ANA', 'Ana is a member here.'],
      ['U_ADA', 'Ada is an admin here.'],
      ['U_GIL', 'Gil is a guest here.'],
      ['U_BEN', 'You are a member here.'],
    ]) {
      expect(await told('Ben', `/agents role test:${person}`)).toBe(words);
    }
    expect(await told('Gil', '/agents role test:U_GIL')).toBe('You are a guest here.');
    expect(await told('Gil', '/agents role test:U_ANA')).toContain('Guests see only what they are themselves');
  });

  it.each(['/agents role @ana', '/agents role test:U_ANA boss', '/agents role test:U_ANA member now'])(
    '%s is answered with what to do',
    async (text) => {
      expect(await typing(stage).ada(text)).toMatchObject({
        effect: 'refused',
        text: expect.stringContaining('as in `/agents role slack:U123 member`'),
      });
    },
  );

  it('of somebody whom the platform calls a guest are a guest’s, until an admin says otherwise', async () => {
    const guests = {
      nameOf: async () => 'Gil',
      isGuest: async () => true,
      readable: async (x: string) => x,
      whisper: async () => undefined,
    };
    const receiver = stage.receiver({ connectors: new Map([['test', guests]]) });
    const make = () => receiver.command(commanded('/agents new', {}, 'Gil'));
    expect((await make()).effect).toBe('refused');
    expect((await receiver.message(said('hello', { sender: { id: 'U_GIL', name: 'Gil' } }))).effect).toBe('accepted');
    await give(stage, 'Gil', 'member');
    expect((await make()).effect).toBe('accepted');
  });

  it('of a guest count for more than that they own something', async () => {
    await agentOf(stage, 'Theirs', { deckhand_owners: 'test:U_GIL' });
    await give(stage, 'Gil', 'guest');
    expect((await typing(stage).as('Gil')('/agents pause Theirs')).effect).toBe('refused');
  });
});
