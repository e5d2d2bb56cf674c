/** Server-sent events of a response, frame by frame; `data` is parsed only for the events in `wanted`. */
export function frameReader(
  wanted: ReadonlySet<string>,
  onEvent: (name: string, data: Record<string, unknown>) => void,
): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    rest += chunk;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const frame = rest.slice(0, end);
      rest = rest.slice(end + 2);
      const [first = '', second = ''] = frame.split('\n', 2);
      const name = first.slice('event: '.length);
      if (wanted.has(name)) onEvent(name, JSON.parse(second.slice('data: '.length)));
    }
  };
}
