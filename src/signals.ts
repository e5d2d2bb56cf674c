/**
 * A signal that aborts with the first of these. Disposed, it leaves nothing behind in them: what `AbortSignal.any` notes
 * in a source that lives as long as the process stays there on Node 20.
 */
export function anySignal(sources: readonly AbortSignal[]): { readonly signal: AbortSignal } & Disposable {
  const { signal, release } = follow(sources);
  return { signal, [Symbol.dispose]: release };
}

/**
 * A signal that aborts after `ms`, with a `TimeoutError`, or with the first of these. Disposed, it leaves no timer:
 * `AbortSignal.timeout` keeps all that listens to it until its time has come, however long the work is over.
 */
export function timeLimit(
  ms: number,
  sources: readonly AbortSignal[] = [],
): { readonly signal: AbortSignal } & Disposable {
  const { signal, abort, release } = follow(sources);
  const late = () => abort(new DOMException(`It was not done within ${ms} ms`, 'TimeoutError'));
  const timer = setTimeout(late, ms).unref();
  return {
    signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      release();
    },
  };
}

function follow(sources: readonly AbortSignal[]) {
  const one = new AbortController();
  const abort = (reason: unknown): void => one.abort(reason);
  const listeners = sources.map((source) => {
    const listener = (): void => abort(source.reason);
    if (source.aborted) listener();
    else source.addEventListener('abort', listener, { once: true });
    return () => source.removeEventListener('abort', listener);
  });
  const release = (): void => {
    for (const remove of listeners) remove();
  };
  return { signal: one.signal, abort, release };
}
