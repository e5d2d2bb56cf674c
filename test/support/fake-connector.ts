import {
  type Connector,
  type HistoryRange,
  PostRefusedError,
  RateLimitedError,
  type SaidBefore,
  type Status,
} from '../../src/chat/connector.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';

/** A message as it stands on the far side. */
export interface Standing {
  ref: string;
  at: ConversationKey;
  /** Its content after each post and edit, the last one being what people see. */
  versions: Outgoing[];
}

/** What happens at the next post. A `lost` answer and a `died` process come after the platform took the message. */
export type Fault =
  | { kind: 'lost' }
  | { kind: 'failed' }
  | { kind: 'rate_limited'; retry_after_ms: number }
  | { kind: 'refused'; reason: string }
  /** Before or after the message stands, whoever posts it is never heard of again. */
  | { kind: 'died'; after: boolean }
  /** The platform takes its time. */
  | { kind: 'slow'; until: Promise<void> };

/** The far side of a platform, shared by the connectors of several gateways. */
export interface Platform {
  connector(): Connector;
  /** Oldest first. */
  messages: Standing[];
  /** In the order they were made: `post text`, `edit text live`, `find`, `status Thinking…`. */
  calls: string[];
  statuses: Status[];
  faults: Fault[];
  /** Channels in which nothing can be posted, and the platform's word for why. */
  closed: Map<string, string>;
  /** What people are called, by id; who is not here is called what they say. */
  names: Map<string, string>;
  /** Ids of guests. */
  guests: Set<string>;
  /** So many questions after guests are not answered. */
  failGuests: number;
  groups: Map<string, { name: string; people: string[] }>;
  /**
   * Where people, groups and channels are reached, by id; who is not here is refused. The direct messages of a group's
   * members are those of `D_` and their id.
   */
  places: Map<string, ConversationKey[]>;
  /** Ids of people who are in every conversation. */
  present: Set<string>;
  /** How many members of a group `reach` leaves out. */
  leftOut: number;
  /** Ids of messages that carry a mark; null: the platform has none. */
  marked: Set<string> | null;
  /** Calls of `react` that fail. */
  failMarks: number;
  /** What was said in every conversation, for `history`; null: the platform has no such thing. */
  said: SaidBefore[] | null;
  /** What the next calls of `history` throw, and how they were asked. */
  historyFaults: Error[];
  historyRanges: HistoryRange[];
  /** Calls of `edit` that fail, as when the platform is away. */
  failEdits: number;
  /** The same for `setStatus`. */
  failStatuses: number;
  /** What people see now, as text. */
  texts(): string[];
  limits: {
    text: number;
    edit_interval_ms: number;
    post_interval_ms: number;
    posts_before_file?: number;
    plan_size?: number;
  };
  /** How long a message may grow; null: for as long as it likes. */
  grows_for_ms: number | null;
  shows_activity: boolean;
}

export function createPlatform(name = 'test'): Platform {
  const platform: Platform = {
    messages: [],
    calls: [],
    statuses: [],
    faults: [],
    closed: new Map(),
    names: new Map(),
    guests: new Set(),
    failGuests: 0,
    groups: new Map(),
    places: new Map(),
    present: new Set(),
    leftOut: 0,
    marked: null,
    failMarks: 0,
    said: null,
    historyFaults: [],
    historyRanges: [],
    failEdits: 0,
    failStatuses: 0,
    limits: { text: 1_000, edit_interval_ms: 1, post_interval_ms: 1 },
    grows_for_ms: null,
    shows_activity: false,
    texts: () => platform.messages.map((message) => textOf(message.versions.at(-1))),
    connector,
  };

  function stand(at: ConversationKey, outgoing: Outgoing): string {
    const ref = `m${platform.messages.length + 1}`;
    platform.messages.push({ ref, at, versions: [outgoing] });
    return ref;
  }

  async function post(key: ConversationKey, outgoing: Outgoing): Promise<string> {
    platform.calls.push(`post ${kindOf(outgoing)}`);
    const closed = platform.closed.get(key.channel);
    if (closed !== undefined) throw new PostRefusedError(closed);
    const fault = platform.faults.shift();
    switch (fault?.kind) {
      case undefined:
        return stand(key, outgoing);
      case 'lost':
        stand(key, outgoing);
        throw new Error('The connection was closed');
      case 'failed':
        throw new Error('The platform is away');
      case 'rate_limited':
        throw new RateLimitedError(fault.retry_after_ms);
      case 'refused':
        throw new PostRefusedError(fault.reason);
      case 'slow':
        await fault.until;
        return stand(key, outgoing);
      case 'died':
        if (fault.after) stand(key, outgoing);
        return new Promise(() => undefined);
      default:
        return fault satisfies never;
    }
  }

  /** All that was said: a budget is a real platform's to keep. */
  async function history(_key: ConversationKey, range: HistoryRange) {
    platform.historyRanges.push(range);
    const fault = platform.historyFaults.shift();
    if (fault !== undefined) throw fault;
    const said = (platform.said ?? []).filter(({ message_id }) => {
      const isBefore = range.before === null || message_id < range.before;
      return isBefore && (range.after === null || message_id > range.after);
    });
    return { messages: said, left_out: 0 };
  }

  async function react(_key: ConversationKey, message_id: string, on: boolean): Promise<void> {
    platform.calls.push(`${on ? 'mark' : 'unmark'} ${message_id}`);
    if (platform.failMarks > 0) {
      platform.failMarks -= 1;
      throw new Error('The platform is away');
    }
    if (on) platform.marked?.add(message_id);
    else platform.marked?.delete(message_id);
  }

  function connector(): Connector {
    return {
      name,
      ...(platform.said !== null && { history }),
      ...(platform.marked !== null && { react }),
      limits: platform.limits,
      growsFor: () => platform.grows_for_ms,
      get shows_activity() {
        return platform.shows_activity;
      },
      start: async () => undefined,
      stop: async () => undefined,
      post: (key, outgoing, signal) => unlessAborted(post(key, outgoing), signal),
      async edit(_key, ref, outgoing) {
        platform.calls.push(`edit ${kindOf(outgoing)}`);
        if (platform.failEdits > 0) {
          platform.failEdits -= 1;
          throw new Error('The platform is away');
        }
        const standing = platform.messages.find((message) => message.ref === ref);
        if (standing === undefined) throw new PostRefusedError('message_not_found');
        standing.versions.push(outgoing);
      },
      async find(_key, deliveryId) {
        platform.calls.push('find');
        const carries = (message: Standing) => message.versions.some((one) => one.delivery_id === deliveryId);
        return platform.messages.find(carries)?.ref ?? null;
      },
      async setStatus(_key, status) {
        platform.calls.push(`status ${'text' in status ? status.text : status.state}`);
        if (platform.failStatuses > 0) {
          platform.failStatuses -= 1;
          throw new Error('The platform is away');
        }
        platform.statuses.push(status);
      },
      nameOf: async (person) => platform.names.get(person.id) ?? person.name,
      async isGuest(person) {
        platform.failGuests -= 1;
        return platform.failGuests >= 0 ? null : platform.guests.has(person.id);
      },
      groups: {
        nameOf: async (group) => platform.groups.get(group)?.name ?? group,
        includes: async (group, person) => platform.groups.get(group)?.people.includes(person.id) ?? false,
      },
      readable: async (text) => text,
      whisper: async () => undefined,
      async reach({ kind, id }, { outside_of }, signal) {
        const known = platform.places.get(id);
        if (known === undefined) throw new PostRefusedError('nobody_there');
        const person = (conversation: ConversationKey) => (kind === 'person' ? id : conversation.channel.slice(2));
        const all = known.map((conversation) => ({
          conversation,
          ...(kind !== 'channel' && { person: person(conversation) }),
        }));
        const people = all.flatMap((one) => ('person' in one ? [one.person] : []));
        const present = await outside_of?.among(people, signal);
        const isThere = (one: { person?: string }) => one.person !== undefined && present?.has(one.person) === true;
        const places = all.filter((one) => !isThere(one));
        return { places, left_out: platform.leftOut, ...(places.length < all.length && { present: true as const }) };
      },
      audienceOf: (conversation) => ({
        conversation,
        among: async (people) => new Set(people.filter((id) => platform.present.has(id))),
      }),
      permalinkOf: async (_key, ref) => `https://chat.test/${ref}`,
    };
  }

  return platform;
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function sizeOf(content: Extract<Outgoing, { kind: 'file' }>['content']): number {
  return typeof content === 'string' ? content.length : content.size_bytes;
}

function kindOf(outgoing: Outgoing): string {
  return outgoing.kind === 'text' && outgoing.live ? 'text live' : outgoing.kind;
}

function textOf(outgoing: Outgoing | undefined): string {
  switch (outgoing?.kind) {
    case undefined:
      return '';
    case 'text':
      return outgoing.live ? `${outgoing.markdown}▌` : outgoing.markdown;
    case 'notice':
      return `${outgoing.level === 'error' ? '(!)' : '(i)'} ${outgoing.markdown}`;
    case 'approval': {
      const { state, summary } = outgoing.card;
      return `[${state.status}${'by' in state ? ` by ${state.by.name}` : ''}] ${summary}`;
    }
    case 'activity':
      return `<${outgoing.activity.status}> ${outgoing.activity.title} ${outgoing.activity.output}`.trim();
    case 'file':
      return `[${outgoing.name}: ${sizeOf(outgoing.content)}] ${outgoing.markdown}`;
    case 'plan':
      return outgoing.calls.map((call) => `<${call.status}> ${call.title} ${call.output}`.trim()).join(', ');
    default:
      return outgoing satisfies never;
  }
}
