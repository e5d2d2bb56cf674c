import { type RefObject, useEffect, useRef } from 'react';
import type { ConversationSummary, Person } from '../../../connectors/web/wire.ts';
import type { ConversationList } from '../use-list.ts';
import { navigate, pathOf } from '../use-route.ts';
import { ConversationItem } from './conversation-item.tsx';
import { Icon, Mark } from './icon.tsx';
import { PersonBar } from './person-bar.tsx';

interface Props {
  list: ConversationList;
  current: string | null;
  person: Person;
  /** As a drawer over a narrow screen. */
  isDrawer: boolean;
  isOpen: boolean;
  search: RefObject<HTMLInputElement | null>;
  onClose: () => void;
  onSignOut: () => void;
}

/** The person's conversations. On a narrow screen a drawer, closed to the keyboard and screen readers until opened. */
export function Sidebar({ list, current, person, isDrawer, isOpen, search, onClose, onSignOut }: Props) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isDrawer || !isOpen) return;
    const before = document.activeElement;
    close.current?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, [isDrawer, isOpen]);

  function go(conversation: ConversationSummary | null) {
    navigate(conversation?.id ?? null);
    onClose();
  }

  return (
    <nav className={isOpen ? 'sidebar open' : 'sidebar'} aria-label="Conversations" inert={isDrawer && !isOpen}>
      <div className="sidebar-head">
        <Mark />
        <span className="wordmark">Deckhand</span>
        {isDrawer && (
          <button type="button" ref={close} className="quiet square" aria-label="Close the list" onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </div>
      <a
        className="new-button"
        href={pathOf(null)}
        aria-current={current === null ? 'page' : undefined}
        onClick={(event) => {
          event.preventDefault();
          go(null);
        }}
      >
        <Icon name="plus" /> New conversation
      </a>
      <div className="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          placeholder="Search"
          aria-label="Search conversations"
          aria-keyshortcuts="Control+K Meta+K"
          value={list.search}
          onChange={(event) => list.setSearch(event.target.value)}
        />
      </div>
      <ul className="conversations">
        {list.items.map((conversation) => (
          <ConversationItem
            key={conversation.id}
            conversation={conversation}
            isCurrent={conversation.id === current}
            onOpen={() => go(conversation)}
          />
        ))}
        {list.next !== null && (
          <li>
            <button type="button" className="quiet small" onClick={list.more}>
              Show more
            </button>
          </li>
        )}
      </ul>
      {list.items.length === 0 && !list.isLoading && (
        <p className="sidebar-empty">{list.search === '' ? 'Nothing here yet.' : 'Nothing found.'}</p>
      )}
      <PersonBar person={person} onSignOut={onSignOut} />
    </nav>
  );
}
