import { DeckhandError } from '../errors.ts';
import type { CommandConnector, CommandDeps } from './commands/command.ts';
import { runCommand } from './commands/commands.ts';
import type { Connector } from './connector.ts';
import type { InboundCommand, InboundMessage, Receipt } from './inbound.ts';
import type { KeptInbound } from './inbound-document.ts';
import type { Inbound } from './inbound-keys.ts';
import type { InboundStore } from './inbound-store.ts';
import { originOf } from './origin.ts';
import type { Person } from './place.ts';
import { receiveChange } from './receive-change.ts';
import { receiveDecision } from './receive-decision.ts';
import { receiveFeedback } from './receive-feedback.ts';
import { isWordless, receiveMessage } from './receive-message.ts';
import { receiveStop } from './receive-stop.ts';

/** Longest message, in characters. */
const MAX_TEXT = 100_000;
const SILENT = 'The platform does not say whether somebody is a guest';

export interface ApplyDeps extends Omit<CommandDeps, 'connectors'> {
  connectors: ReadonlyMap<string, Pick<Connector, 'readable' | 'whisper'> & CommandConnector>;
  /**
   * Keep and apply a message beside the event that brought it, whose place in the line it takes; null: it is known already.
   * @throws when it may not have been applied
   */
  say(message: InboundMessage): Promise<Receipt | null>;
}

/** Write that a kept event has had its effect. */
export async function conclude(
  inbound: Pick<InboundStore, 'applied' | 'forget'>,
  kept: KeptInbound,
  receipt: Receipt,
): Promise<void> {
  // Nothing came of it, and it may come again: as the same form, or as a message that an edit makes a mention.
  if (receipt.errors !== undefined || receipt.effect === 'ignored') await inbound.forget(kept);
  else await inbound.applied(kept);
}

/** Give a kept event its effect, once, however often this is called. @throws when it may not have happened */
export async function effectOf(deps: ApplyDeps, kept: KeptInbound, named: Inbound): Promise<Receipt> {
  switch (named.kind) {
    case 'message': {
      const problem = problemOf(named.message);
      if (problem !== null) return { effect: 'refused', text: problem };
      return receiveMessage(deps, kept, named.message);
    }
    case 'change':
      return receiveChange(deps, kept, named.change);
    case 'decision':
      return receiveDecision(deps, named.decision);
    case 'stop':
      return receiveStop(deps, kept, named.stop);
    case 'feedback':
      return receiveFeedback(deps, kept, named.feedback);
    case 'command':
      return runCommand(deps, kept, named.command);
    default:
      return named satisfies never;
  }
}

/**
 * The event with names in it, and with who is a guest where that matters. They are asked for here, and not when it came: the
 * platform waits for nothing but its keep.
 *
 * Where the platform does not say who is a guest, a message, its change or a command is tried again, because what is refused is
 * lost, and counts as a guest's in the last try; and Stop is for everybody then.
 * @throws DeckhandError where another try may tell more
 */
export async function withNames(
  deps: Pick<ApplyDeps, 'connectors'>,
  inbound: Inbound,
  is_last_try: boolean,
): Promise<Inbound> {
  const { conversation, person } = originOf(inbound);
  const connector = deps.connectors.get(conversation.connector);
  // It was configured away after the event was kept.
  if (connector === undefined) return inbound;
  const { tenant } = conversation;
  // At once: the platform is asked for both together.
  const [name, guest = false] = await Promise.all([
    connector.nameOf(person, tenant),
    connector.isGuest?.(person, tenant),
  ]);
  const named: Person = { id: person.id, name };
  const isSaid = inbound.kind === 'message' || inbound.kind === 'change' || inbound.kind === 'command';
  if (isSaid && guest === null && !is_last_try) throw new DeckhandError('unknown_person', `${SILENT}, in ${tenant}`);
  switch (inbound.kind) {
    case 'message': {
      const text = await connector.readable(inbound.message.text, tenant);
      return { kind: 'message', message: { ...inbound.message, sender: { ...named, guest: guest ?? true }, text } };
    }
    case 'change': {
      const { text } = inbound.change;
      const words = text === null ? null : await connector.readable(text, tenant);
      return { kind: 'change', change: { ...inbound.change, sender: { ...named, guest: guest ?? true }, text: words } };
    }
    case 'decision':
      return { kind: 'decision', decision: { ...inbound.decision, person: named } };
    case 'stop':
      return { kind: 'stop', stop: { ...inbound.stop, person: { ...named, guest: guest ?? false } } };
    case 'feedback':
      return { kind: 'feedback', feedback: { ...inbound.feedback, person: named } };
    case 'command': {
      const { about } = inbound.command;
      const known = about === undefined ? {} : { about: await readableAbout(connector, about, tenant) };
      return { kind: 'command', command: { ...inbound.command, ...known, person: { ...named, guest: guest ?? true } } };
    }
    default:
      return inbound satisfies never;
  }
}

async function readableAbout(
  connector: Pick<Connector, 'nameOf' | 'readable'>,
  about: NonNullable<InboundCommand['about']>,
  tenant: string,
): Promise<NonNullable<InboundCommand['about']>> {
  const { author, text } = about;
  const [name, words] = await Promise.all([
    connector.nameOf({ id: author, name: author }, tenant),
    connector.readable(text, tenant),
  ]);
  return { ...about, author: name, text: words };
}

/** Why a message cannot be taken, in words; null when it can. */
export function problemOf(message: InboundMessage): string | null {
  // In the middle of a conversation a mention alone points at what was said before.
  if (isWordless(message) && message.follows === undefined) {
    return 'Tell me what you would like done, in the same message.';
  }
  if (message.text.length > MAX_TEXT) {
    return (
      `That message has ${message.text.length.toLocaleString('en')} characters; ` +
      `at most ${MAX_TEXT.toLocaleString('en')} fit. Shorten it, or send it in parts.`
    );
  }
  return null;
}
