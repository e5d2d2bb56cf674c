import { useSyncExternalStore } from 'react';

/** The page has two places: a conversation at `/c/<id>`, and everything else, which is the start of a new one. */
export function useRoute(): { conversationId: string | null } {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  return { conversationId: /^\/c\/([^/]+)$/.exec(path)?.[1] ?? null };
}

export function pathOf(conversationId: string | null): string {
  return conversationId === null ? '/' : `/c/${conversationId}`;
}

export function navigate(conversationId: string | null): void {
  if (location.pathname === pathOf(conversationId)) return;
  history.pushState(null, '', pathOf(conversationId));
  dispatchEvent(new PopStateEvent('popstate'));
}

function subscribe(onChange: () => void): () => void {
  addEventListener('popstate', onChange);
  return () => removeEventListener('popstate', onChange);
}
