/**
 * What the stand-in is to say, written into the message that it answers: the stand-in keeps nothing and needs not even
 * parse the request, so it costs little.
 */
export interface Directive {
  /** Names the turn; the answer repeats it, so that a wrong answer shows. No two turns share one. */
  nonce: string;
  /** Tool calls before the answer, one after the other: `bash` with a command that prints the nonce. */
  calls?: number;
  /** Wait before the first byte, in ms. */
  ttft?: number;
  /** Words of the answer. */
  tokens?: number;
  /** Words per second; 0: all at once. */
  rate?: number;
}

const MARK = 'bench nonce=';

/** The text of a message that asks for this. */
export function writeDirective({ nonce, calls = 0, ttft = 0, tokens = 12, rate = 0 }: Directive): string {
  return `${MARK}${nonce} calls=${calls} ttft=${ttft} tokens=${tokens} rate=${rate};`;
}

/** The last directive of a request's body, and how many tool results came after it. Null when there is none. */
export function readDirective(body: string): { directive: Required<Directive>; results: number } | null {
  const from = body.lastIndexOf(MARK);
  const to = body.indexOf(';', from);
  if (from < 0 || to < 0) return null;
  const fields = new Map(
    body
      .slice(from + 'bench '.length, to)
      .split(' ')
      .map((field) => field.split('=') as [string, string]),
  );
  const number = (name: string) => Number(fields.get(name) ?? 0);
  return {
    directive: {
      nonce: fields.get('nonce') ?? '',
      calls: number('calls'),
      ttft: number('ttft'),
      tokens: number('tokens'),
      rate: number('rate'),
    },
    results: body.slice(to).split('"type":"tool_result"').length - 1,
  };
}

/** What an answer says: which turn it answers and when its request arrived (ns of the machine's monotonic clock). */
export function answerText(nonce: string, arrived: bigint): string {
  return `answers=${nonce} at=${arrived}`;
}

export function readAnswer(text: string): { nonce: string; arrived: bigint } | null {
  const [, nonce, arrived] = /answers=(\S+) at=(\d+)/.exec(text) ?? [];
  return nonce === undefined || arrived === undefined ? null : { nonce, arrived: BigInt(arrived) };
}
