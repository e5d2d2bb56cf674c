/**
 * A signal that aborts with the first of these. Disposed, it leaves nothing behind in them: what `AbortSignal.any` notes
 * in a source that lives as long as the process stays there on Node 20.
 */
export function anySignal(sources: readonly AbortSignal[]): { readonly signal: AbortSignal } & Disposable {
  const one = new AbortController();
  const listeners = sources.map((source) => {
    const listener = (): void => one.abort(source.reason);
    if (source.aborted) listener();
    else source.addEventListener('abort', listener, { once: true });
    return () => source.removeEventListener('abort', listener);
  });
  return {
    signal: one.signal,
    [Symbol.dispose]() {
      for (const remove of listeners) remove();
    },
  };
}

/**
 * A signal that aborts after `ms`, with a `TimeoutError`, or with the first of these. Disposed, it leaves no timer:
 * `AbortSignal.timeout` keeps all that listens to it until its time has come, however long the work is over.
 */
export function timeLimit(
  ms: number,
  sources: readonly AbortSignal[] = [],
): { readonly signal: AbortSignal } & Disposable {
  const late = new AbortController();
  const abort = () => late.abort(new DOMException(`It was not done within ${ms} ms`, 'TimeoutError'));
  const timer = setTimeout(abort, ms).unref();
  const any = anySignal([late.signal, ...sources]);
  return {
    signal: any.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      any[Symbol.dispose]();
    },
  };
}
