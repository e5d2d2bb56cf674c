import type { Wire } from './wire.ts';

/** A command as Redis gets it. */
export interface RedisCommand {
  /** In capitals. */
  name: string;
  args: string[];
}

const CR = 13;
/** What Redis tells a subscriber without being asked, in the older form of the protocol (the newer marks it with `>`). */
const TOLD = new Set(['message', 'pmessage', 'smessage']);

/**
 * Redis' protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/). Answers come in the order of the
 * commands. What a subscribing connection is answered is not told apart: hold its requests, not its answers.
 */
export function redisWire(): Wire<RedisCommand> {
  let asked = 0;
  let answers = 0;
  const size = (bytes: Buffer) => endOf(bytes, 0);
  return {
    requestSize: size,
    answerSize: size,
    asked() {
      asked += 1;
      return asked;
    },
    commandOf(request) {
      const [name = '', ...args] = wordsOf(request);
      return { name: name.toUpperCase(), args };
    },
    answered(answer) {
      if (isTold(answer)) return null;
      answers += 1;
      return answers;
    },
  };
}

/** Where the value that begins at `at` ends; null when it is not whole yet. */
function endOf(bytes: Buffer, at: number): number | null {
  const lineEnd = bytes.indexOf(CR, at);
  if (lineEnd === -1 || lineEnd + 2 > bytes.length) return null;
  const count = Number(bytes.toString('latin1', at + 1, lineEnd));
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '$':
    case '!':
    case '=':
      return count < 0 ? lineEnd + 2 : lineEnd + 2 + count + 2;
    case '*':
    case '~':
    case '>':
      return afterValues(bytes, lineEnd + 2, count);
    case '%':
      return afterValues(bytes, lineEnd + 2, count * 2);
    default:
      return lineEnd + 2;
  }
}

function afterValues(bytes: Buffer, start: number, count: number): number | null {
  let at: number | null = start;
  for (let done = 0; done < count && at !== null; done += 1) at = at < bytes.length ? endOf(bytes, at) : null;
  return at;
}

/** The words of a command, which is a list of strings with their lengths. */
function wordsOf(message: Buffer): string[] {
  const words: string[] = [];
  let at = message.indexOf(CR) + 2;
  while (at < message.length) {
    const lineEnd = message.indexOf(CR, at);
    const start = lineEnd + 2;
    const length = Number(message.toString('latin1', at + 1, lineEnd));
    words.push(message.toString('utf8', start, start + length));
    at = start + length + 2;
  }
  return words;
}

function isTold(answer: Buffer): boolean {
  if (answer[0] === 62) return true;
  if (answer[0] !== 42) return false;
  const [first = ''] = wordsOf(answer.subarray(0, 64));
  return TOLD.has(first);
}
