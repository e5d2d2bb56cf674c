import { parseSync } from 'vite';

/** Two words at least: of less one could not say where it stands. */
const WORDS = /\p{L}{2,}\S*\s+(?:\S+\s+)*?\S*\p{L}{2,}/u;
const LOGGING = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

type Node = Record<string, unknown> & { type: string };

/**
 * The fixed words of a source: its texts, and of a template what stands around its values. Not those of errors and of the log,
 * nor of types, imports and tags; Slack's escapes are undone.
 */
export function fixedWords(file: string, source: string): string[] {
  const found: string[] = [];
  collect(parseSync(file, source).program, found);
  return found.map(plainly).filter((words) => WORDS.test(words));
}

/** As people read it. */
export function plainly(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&').trim();
}

function collect(value: unknown, found: string[]): void {
  if (Array.isArray(value)) {
    for (const one of value) collect(one, found);
    return;
  }
  if (!isNode(value) || isUnsaid(value)) return;
  if (value.type === 'Literal' && typeof value['value'] === 'string') found.push(value['value']);
  if (value.type === 'TemplateElement') found.push(String((value['value'] as { cooked: unknown }).cooked));
  for (const inner of Object.values(value)) collect(inner, found);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function isUnsaid(node: Node): boolean {
  if (node.type === 'ImportDeclaration' || node.type.startsWith('TSType') || node.type === 'TSInterfaceDeclaration')
    return true;
  const callee = node['callee'];
  if (!isNode(callee)) return false;
  if (node.type === 'NewExpression') return callee.type === 'Identifier' && String(callee['name']).endsWith('Error');
  if (callee.type === 'Super') return true;
  const property = callee['property'];
  return node.type === 'CallExpression' && isNode(property) && LOGGING.has(String(property['name']));
}
