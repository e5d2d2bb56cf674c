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
