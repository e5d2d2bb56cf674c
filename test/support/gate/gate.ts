import type { Socket } from 'node:net';
import { deferred } from '../deferred.ts';
import { type Link, linkTo } from '../link.ts';
import { type MongoCommand, mongoWire } from './mongo-wire.ts';
import { type RedisCommand, redisWire } from './redis-wire.ts';
import { messagesOf, type Wire } from './wire.ts';

/**
 * A link that knows its service's protocol and stops a process of Deckhand's at an exact step, without a hook in the
 * product: whoever is killed while its command is held has done everything before it and nothing after.
 */
export interface Gate<Command> extends Link {
  /** Hold commands like this before the service gets them: nothing is written. */
  holdRequest(matches: Matches<Command>): Held<Command>;
  /** Let the service carry out commands like this and hold their answers: written, and not acknowledged. */
  holdAnswer(matches: Matches<Command>): Held<Command>;
  /** From now on the answers of commands like this never come: the connection breaks in their place. Returns the end of it. */
  loseAnswers(matches: Matches<Command>): () => void;
  /** Be told of the answer to each command like this, as it comes; nothing is held. Returns the end of it. */
  watch(matches: Matches<Command>, onAnswer: (answer: Buffer) => void): () => void;
}

type Matches<Command> = (command: Command) => boolean;

export interface Held<Command> {
  /** Resolves with the first of them when it is held. One whose process is killed meanwhile goes nowhere any more. */
  readonly reached: Promise<Command>;
  /** Let them go on, and hold no more. */
  release(): void;
}

export function mongoGate(uri: string): Promise<Gate<MongoCommand>> {
  return gateTo(uri, mongoWire);
}

export function redisGate(uri: string): Promise<Gate<RedisCommand>> {
  return gateTo(uri, redisWire);
}

interface Rule<Command> {
  at: 'request' | 'answer' | 'lost';
  matches: Matches<Command>;
  /** The command is here. Resolves when it may go on. */
  reach(command: Command): Promise<void>;
}

interface Watch<Command> {
  matches: Matches<Command>;
  onAnswer(answer: Buffer): void;
}

async function gateTo<Command>(uri: string, createWire: () => Wire<Command>): Promise<Gate<Command>> {
  const rules = new Set<Rule<Command>>();
  const watches = new Set<Watch<Command>>();

  function hold(at: 'request' | 'answer', matches: Matches<Command>): Held<Command> {
    const reached = deferred<Command>();
    const released = deferred<void>();
    const rule: Rule<Command> = {
      at,
      matches,
      reach(command) {
        reached.resolve(command);
        return released.promise;
      },
    };
    rules.add(rule);
    return {
      reached: reached.promise,
      release() {
        rules.delete(rule);
        released.resolve();
      },
    };
  }

  function join(near: Socket, far: Socket): void {
    const wire = createWire();
    const awaited = new Map<
      number,
      { rule: Rule<Command> | undefined; watching: Watch<Command>[]; command: Command }
    >();
    const toService = inOrder(far);
    const toClient = inOrder(near);

    near.on(
      'data',
      messagesOf(wire.requestSize, (message) => {
        const id = wire.asked(message);
        if (id === null || rules.size + watches.size === 0) return toService(message);
        const command = wire.commandOf(message);
        const rule = [...rules].find(({ matches }) => matches(command));
        const watching = [...watches].filter(({ matches }) => matches(command));
        if (rule !== undefined || watching.length > 0) awaited.set(id, { rule, watching, command });
        toService(message, rule?.at === 'request' ? () => rule.reach(command) : undefined);
      }),
    );
    far.on(
      'data',
      messagesOf(wire.answerSize, (message) => {
        const id = wire.answered(message);
        const asked = id === null ? undefined : awaited.get(id);
        if (id === null || asked === undefined) return toClient(message);
        awaited.delete(id);
        const { rule, watching, command } = asked;
        for (const { onAnswer } of watching) onAnswer(message);
        if (rule === undefined || rule.at === 'request') return toClient(message);
        toClient(message, () => (rule.at === 'lost' ? drop(near) : rule.reach(command)));
      }),
    );
  }

  const link = await linkTo(uri, join);
  return {
    ...link,
    holdRequest: (matches) => hold('request', matches),
    holdAnswer: (matches) => hold('answer', matches),
    loseAnswers(matches) {
      const rule: Rule<Command> = { at: 'lost', matches, reach: async () => undefined };
      rules.add(rule);
      return () => void rules.delete(rule);
    },
    watch(matches, onAnswer) {
      const watch = { matches, onAnswer };
      watches.add(watch);
      return () => void watches.delete(watch);
    },
  };
}

async function drop(socket: Socket): Promise<void> {
  socket.destroy();
}

/** Writes messages one after another, each when it may; what is still waiting when the connection ends is gone with it. */
function inOrder(to: Socket): (message: Buffer, may?: () => Promise<void>) => void {
  let before: Promise<void> | null = null;
  return (message, may) => {
    if (before === null && may === undefined) {
      to.write(message);
      return;
    }
    const mine = (before ?? Promise.resolve())
      .then(() => may?.())
      .then(() => {
        if (!to.destroyed) to.write(message);
        if (before === mine) before = null;
      });
    before = mine;
  };
}
