import { useCallback, useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import type { AgentChoice, Person, SessionInfo } from '../../../connectors/web/wire.ts';
import { ApiError, api } from '../api.ts';
import { useList } from '../use-list.ts';
import { useMedia } from '../use-media.ts';
import { navigate, useRoute } from '../use-route.ts';
import { Banners } from './banners.tsx';
import { ConversationPage, type PageEvents } from './conversation-page.tsx';
import { NewPage } from './new-page.tsx';
import { Sidebar } from './sidebar.tsx';
import { Toast } from './toast.tsx';

interface Props {
  session: SessionInfo;
  person: Person;
  onSignedOut: () => void;
}

/** The signed-in page: the list beside one conversation. */
export function Chat({ session, person, onSignedOut }: Props) {
  const { conversationId } = useRoute();
  const [agents, setAgents] = useState<AgentChoice[]>([]);
  const [isConnected, setConnected] = useState(true);
  const [toast, setToast] = useState<string | null>(null);
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const isDrawer = useMedia('(max-width: 760px)');
  const search = useRef<HTMLInputElement>(null);

  const onError = useCallback(
    (error: unknown) => {
      if (error instanceof ApiError && error.code === 'signed_out') onSignedOut();
      else setToast(error instanceof Error ? error.message : String(error));
    },
    [onSignedOut],
  );
  const list = useList(onError);

  useEffect(() => {
    api.agents().then(({ data }) => setAgents(data), onError);
  }, [onError]);

  useShortcuts({
    onSearch: () => {
      // At once: the next key belongs to the search.
      flushSync(() => setDrawerOpen(true));
      search.current?.focus();
    },
    onNew: () => navigate(null),
    onEscape: isDrawer && isDrawerOpen ? () => setDrawerOpen(false) : null,
  });

  async function signOut() {
    try {
      await api.signOut();
      onSignedOut();
    } catch (error) {
      onError(error);
    }
  }

  const events: PageEvents = {
    onMenu: () => setDrawerOpen(true),
    onConnection: setConnected,
    onConversation: list.put,
    onReady: list.refresh,
    onSignedOut,
    onSay: setToast,
  };

  return (
    <div className="layout">
      <a className="skip" href="#main">
        Skip to the conversation
      </a>
      <Sidebar
        list={list}
        current={conversationId}
        person={person}
        isDrawer={isDrawer}
        isOpen={isDrawerOpen}
        search={search}
        onClose={() => setDrawerOpen(false)}
        onSignOut={() => void signOut()}
      />
      {isDrawer && isDrawerOpen && <div className="scrim" onClick={() => setDrawerOpen(false)} />}
      <main id="main" className="main" tabIndex={-1} inert={isDrawer && isDrawerOpen}>
        <Banners isStandIn={session.stand_in} isConnected={isConnected} />
        {conversationId === null ? (
          <NewPage person={person} agents={agents} examples={session.examples} events={events} />
        ) : (
          <ConversationPage key={conversationId} id={conversationId} person={person} agents={agents} events={events} />
        )}
        <Toast text={toast} onClose={() => setToast(null)} />
      </main>
    </div>
  );
}

interface Shortcuts {
  onSearch: () => void;
  onNew: () => void;
  /** Null when Escape means something else here. */
  onEscape: (() => void) | null;
}

/** Ctrl or ⌘ + K searches, Alt + N begins a conversation, Escape closes the drawer. */
function useShortcuts({ onSearch, onNew, onEscape }: Shortcuts): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') onSearch();
      else if (event.altKey && event.code === 'KeyN') onNew();
      else if (event.key === 'Escape' && onEscape !== null) onEscape();
      else return;
      event.preventDefault();
    };
    // Before the conversation's own listener, which stops the agent on Escape.
    addEventListener('keydown', onKeyDown, { capture: true });
    return () => removeEventListener('keydown', onKeyDown, { capture: true });
  });
}
