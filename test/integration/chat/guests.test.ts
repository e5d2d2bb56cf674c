import { beforeEach, describe, expect, it } from 'vitest';
import type { InboundMessage } from '../../../src/chat/inbound.ts';
import type { ConversationKey } from '../../../src/chat/place.ts';
import { createRoles } from '../../../src/chat/roles.ts';
import { place, said } from '../../support/chat-stage.ts';
import { commanded } from '../../support/commands.ts';
import { deferred } from '../../support/deferred.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
let platform: Platform;
let events = 0;

beforeEach(() => {
  platform = createPlatform();
  platform.guests.add('U_GUS');
});

const person = (name: string) => ({ id: `U_${name.toUpperCase()}`, name });
const receiver = () => stage.receiver({ connectors: new Map([['test', platform.connector()]]) });
const says = (name: string, text: string, over: Parameters<typeof said>[1] = {}) =>
  receiver().message(said(text, { sender: person(name), ...over }));

function stops(name: string) {
  events += 1;
  return receiver().stop({ event_id: `Stop${events}`, conversation: place, person: person(name) });
}

async function heard(): Promise<string[]> {
  const entries = await stage.entries('user.message');
  return entries.flatMap(({ event }) => event.content.map((block) => (block.type === 'text' ? block.text : '')));
}

async function setGuests(deckhand_guests: string): Promise<void> {
  const { agent_id, workspace_id } = stage.defaults;
  const { version } = await stage.agents.get(workspace_id, agent_id);
  await stage.agents.update(workspace_id, agent_id, { version, metadata: { deckhand_guests } });
}

const MAY_NOT_STEER = /^Guests may not steer what somebody else began\. Who may: .* in a new thread /;
const MAY_NOT_STOP = /^Guests may not stop what somebody else began\. Who may: whoever began it/;

describe('a guest', () => {
  it('steers and stops nothing that somebody else began, and is told who may', async () => {
    await says('Ana', 'deploy');
    expect(await says('Gus', 'rather not')).toEqual({ effect: 'refused', text: expect.stringMatching(MAY_NOT_STEER) });
    // The run goes on: nothing says that the conversation is at rest.
    expect(await stops('Gus')).toEqual({ effect: 'refused', text: expect.stringMatching(MAY_NOT_STOP) });
    expect(await heard()).toEqual(['deploy']);
    expect(await stage.entries('user.interrupt')).toEqual([]);
  });

  it('is not answered where they spoke to nobody', async () => {
    const { workspace_id } = stage.defaults;
    await stage.channels.change(workspace_id, place, { reply_mode: 'automatic' });
    await says('Ana', 'deploy');
    expect(await says('Gus', 'rather not', { addressed: false })).toEqual({ effect: 'ignored', text: null });
    expect(await heard()).toEqual(['deploy']);
  });

  it('begins a session, speaks in it, is steered by members there, and stops it', async () => {
    for (const [name, text] of [
      ['Gus', 'look'],
      ['Gus', 'closer'],
      ['Ben', 'and here'],
    ] as const) {
      expect(await says(name, text)).toEqual({ effect: 'accepted', text: null });
    }
    expect(await heard()).toEqual(['look', 'closer', 'and here']);
    expect(await stops('Gus')).toEqual({ effect: 'accepted', text: null });
    expect(await stage.entries('user.interrupt')).toMatchObject([{ by: { id: 'U_GUS' } }]);
  });

  it('steers nothing that somebody else began while their own first message was on its way', async () => {
    const asked = deferred<void>();
    const released = deferred<void>();
    const directory: typeof stage.directory = {
      ...stage.directory,
      async create(session) {
        asked.resolve();
        await released.promise;
        return stage.directory.create(session);
      },
    };
    const slow = stage.receiver({ directory, connectors: new Map([['test', platform.connector()]]) });
    const late = slow.message(said('mine', { sender: person('Gus') }));
    await asked.promise;
    await says('Ana', 'deploy');
    released.resolve();
    expect(await late).toEqual({ effect: 'refused', text: expect.stringMatching(MAY_NOT_STEER) });
    expect(await heard()).toEqual(['deploy']);
  });

  it('may steer all where the agent allows it, and nothing where it denies it', async () => {
    await setGuests('allow');
    await says('Ana', 'deploy');
    expect((await says('Gus', 'faster')).effect).toBe('accepted');
    await setGuests('deny');
    const elsewhere = { ...place, thread: '300.1' };
    for (const conversation of [place, elsewhere]) {
      const { effect, text } = await says('Gus', 'slower', { conversation });
      expect({ effect, text }).toEqual({
        effect: 'refused',
        text: expect.stringContaining('takes nothing from guests'),
      });
    }
    expect(await heard()).toEqual(['deploy', 'faster']);
  });

  it('is who an admin says is one, whatever the platform says', async () => {
    const roles = createRoles(stage.db, []);
    await roles.give(stage.defaults.workspace_id, 'test:U_GUS', 'member');
    await roles.give(stage.defaults.workspace_id, 'test:U_BEN', 'guest');
    await says('Ana', 'deploy');
    expect((await says('Gus', 'faster')).effect).toBe('accepted');
    expect((await says('Ben', 'slower')).effect).toBe('refused');
  });
});

describe('who became a guest', () => {
  async function changes(message: InboundMessage, text: string | null) {
    events += 1;
    const { message_id, conversation, sender } = message;
    const version = String(events).padStart(4, '0');
    return receiver().change({ event_id: `Change${events}`, message_id, version, conversation, sender, text });
  }

  it.each(['faster!', null])('steers nothing by changing what they had said as a member (%s)', async (text) => {
    platform.guests.clear();
    await says('Ana', 'deploy');
    const message = said('faster', { sender: person('Gus') });
    await receiver().message(message);
    platform.guests.add('U_GUS');
    expect(await changes(message, text)).toEqual({ effect: 'refused', text: expect.stringMatching(MAY_NOT_STEER) });
    expect(await heard()).toEqual(['deploy', 'faster']);
    await setGuests('allow');
    expect((await changes(message, text)).effect).toBe('accepted');
  });

  it('changes what they said in their own session, unless the agent takes nothing from guests any more', async () => {
    const message = said('look', { sender: person('Gus') });
    await receiver().message(message);
    expect((await changes(message, 'look closer')).effect).toBe('accepted');
    await setGuests('deny');
    expect((await changes(message, 'closer')).text).toContain('takes nothing from guests');
    expect(await heard()).toHaveLength(2);
  });
});

describe('a guest who asks an agent about a message', () => {
  it.each(['restrict', 'deny'])('is refused before anything is posted, where that is %s', async (guests) => {
    await says('Ana', 'deploy');
    await setGuests(guests);
    let posted = 0;
    const ask = async (where: ConversationKey) => {
      posted += 1;
      return where;
    };
    const connectors = new Map([['test', { ...platform.connector(), ask }]]);
    const fields = { agent: stage.defaults.agent_id, what: 'why?' };
    const about = { author: 'U_ANA', text: 'deploy' };
    const asked = { event_id: 'EvAsk', conversation: place, person: person('Gus'), name: 'ask' as const, text: '' };
    const receipt = await stage.receiver({ connectors }).command({ ...asked, fields, about });
    expect(receipt.errors?.['agent']).toMatch(/guests/i);
    expect(posted).toBe(0);
  });
});

describe('whoever the platform does not know just now', () => {
  it('is asked after again, and what they said is not lost', async () => {
    await says('Ana', 'deploy');
    platform.failGuests = 2;
    expect((await says('Ben', 'faster')).effect).toBe('accepted');
    expect(await heard()).toEqual(['deploy', 'faster']);
  });

  it('is asked after again when they type a command or send a form', async () => {
    platform.failGuests = 2;
    const receipt = await receiver().command(commanded('/agents new', { fields: { name: 'Ops' } }));
    expect(receipt).toMatchObject({ effect: 'accepted' });
    expect(platform.failGuests).toBeLessThan(0);
  });

  it('counts as a guest in the end', async () => {
    await says('Ana', 'deploy');
    platform.failGuests = 3;
    expect((await says('Ben', 'faster')).effect).toBe('refused');
  });

  it('may stop what runs', async () => {
    await says('Ana', 'deploy');
    platform.failGuests = 1;
    expect((await stops('Ben')).effect).toBe('accepted');
  });
});

describe('Stop', () => {
  it('is for every member who is there, whoever began it', async () => {
    await says('Ana', 'deploy');
    expect((await stops('Ben')).effect).toBe('accepted');
    expect(await stage.entries('user.interrupt')).toHaveLength(1);
  });
});
