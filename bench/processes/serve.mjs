/**
 * The child's side of bench/processes/child.ts: run what the parent asks for and answer. Plain JavaScript, because the
 * measured processes load it without a compiler beside them.
 * @param {Record<string, (...args: any[]) => unknown>} handlers
 */
export function serve(handlers) {
  process.on('message', (/** @type {{ id: number, name: string, args: unknown[] }} */ { id, name, args }) => {
    const handler = handlers[name];
    // Another set of handlers in this process may know it.
    if (handler === undefined) return;
    const answer = async () => handler(...args);
    answer().then(
      (result) => process.send?.({ id, result }),
      (error) => process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  // Whoever started this process is gone: nobody is left to stop it.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}
