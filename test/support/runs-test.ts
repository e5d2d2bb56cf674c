const CALL = /^\s*(?:it|test|describe)\b((?:\.\w+)*)/;
const LEFT_OUT = /\.(?:skip|todo|skipIf|runIf|fails)\b/;

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/**
 * Whether this source runs a test of this name: it stands there quoted, in no comment, and neither the test nor what is around
 * it is skipped. Read by its indentation, which the formatter sees to.
 */
export function runsTest(source: string, name: string): boolean {
  const lines = source.split('\n');
  return lines.some((line, index) => line.includes(`'${name}'`) && isRun(lines.slice(0, index + 1)));
}

/** @param lines to the one in question */
function isRun(lines: readonly string[]): boolean {
  const last = lines.at(-1) ?? '';
  if (/^\s*(?:\/\/|\/?\*)/.test(last)) return false;
  // `])('name'` goes on with a line of its own indentation.
  let indent = indentOf(last) + (/^\s*[\])]/.test(last) ? 1 : 0);
  const around = [last];
  for (const line of lines.slice(0, -1).reverse()) {
    if (line.trim() === '' || indentOf(line) >= indent || /^\s*[\])]/.test(line)) continue;
    indent = indentOf(line);
    around.push(line);
  }
  return !around.some((line) => LEFT_OUT.test(CALL.exec(line)?.[1] ?? ''));
}
