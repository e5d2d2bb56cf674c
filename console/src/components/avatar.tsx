import { Mark } from './icon.tsx';

/** A person's initials on one of six quiet colours, always the same for the same person; the mark for an agent. */
export function Avatar({ person }: { person: { id: string; name: string } | null }) {
  if (person === null) {
    return (
      <span className="avatar avatar-agent" aria-hidden="true">
        <Mark />
      </span>
    );
  }
  return (
    <span className={`avatar avatar-${hueOf(person.id)}`} aria-hidden="true">
      {initialsOf(person.name)}
    </span>
  );
}

function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '');
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => Array.from(word ?? '')[0] ?? '',
  );
  return letters.join('').toUpperCase();
}

function hueOf(id: string): number {
  return Array.from(id).reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0) % 6;
}
