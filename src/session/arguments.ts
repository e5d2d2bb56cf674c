/** Every argument as it is: text unquoted, so that a command reads as a command. One that is absent is none. */
export function argumentsOf(input: unknown): string {
  if (typeof input !== 'object' || input === null) return String(input);
  const fields = Object.entries(input).filter(([, value]) => value !== undefined);
  const [only, ...others] = fields;
  if (only !== undefined && others.length === 0 && typeof only[1] === 'string') return only[1];
  return fields.map(([name, value]) => fieldOf(name, value)).join('\n');
}

function fieldOf(name: string, value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return text.includes('\n') ? `${name}:\n${text}` : `${name}: ${text}`;
}
